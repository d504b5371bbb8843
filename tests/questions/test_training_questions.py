"""Rows 40 to 49 of the bad-input table, as far as one file of questions shows them."""

import json
from pathlib import Path
from typing import Any

import pytest

from lorag.errors import ExitStatus, InputRejected
from lorag.questions.questions import read_questions, read_training_questions

GOOD: dict[str, Any] = {"id": "1", "question": "How deep?", "answers": ["7 m"], "gold_doc_ids": ["a.md"]}


def _line(**changes: Any) -> str:
    return json.dumps({**GOOD, **changes})


BAD = {
    "40: a trailing comma": (_line()[:-1] + ",}", "q.jsonl:2:"),
    "40: half a line": (_line()[:30], "q.jsonl:2:"),
    "40: not an object": ("[]", "the line"),
    "41: no answers": (json.dumps({key: value for key, value in GOOD.items() if key != "answers"}), "answers"),
    "41: null": (_line(answers=None), "answers"),
    "41: a number": (_line(answers=[7]), "answers.0"),
    "41: text where a list is meant": (_line(answers="7 m"), "answers"),
    "41: an empty answer": (_line(answers=["7 m", " "]), "answers: an empty text"),
    "41: none for a document": (_line(answers=[]), "answers: none, although a document is named"),
    "41: an empty phrasing": (_line(phrasings=[""]), "phrasings: an empty text"),
    "42: a slip": (_line(phrasing=["Deep?"]), "unknown key `phrasing` – q.jsonl:2 – did you mean `phrasings`?"),
    "42: another case": (_line(Held_Out_Phrasings=["Deep?"]), "did you mean `held_out_phrasings`?"),
    "42: a word less": (_line(gold_doc_id="a.md"), "did you mean `gold_doc_ids`?"),
    "48: NaN": (_line()[:-1] + ', "x": NaN}', "NaN is not JSON"),
    "48: infinity": (_line()[:-1] + ', "x": -Infinity}', "-Infinity is not JSON"),
    "48: 1e400": (_line()[:-1] + ', "x": 1e400}', "1e400 is not JSON"),
    "48: a huge integer": (_line()[:-1] + ', "x": ' + "9" * 40 + "}", "is not JSON"),
    "48: an integer that takes hours": (_line()[:-1] + ', "x": ' + "9" * 1_000_000 + "}", "is not JSON"),
    "49: 100,000 deep": (_line()[:-1] + ', "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "q.jsonl:2"),
    "43: an id twice": (_line(id="0"), "used twice"),
}


def _write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([_line(id="0"), *lines]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("case", BAD)
def test_bad_lines_are_named(case: str, tmp_path: Path) -> None:
    line, expected = BAD[case]
    with pytest.raises(InputRejected) as caught:
        read_training_questions(_write(tmp_path / "q.jsonl", line))
    assert expected in str(caught.value) and "q.jsonl:2" in str(caught.value)
    assert caught.value.exit_status is ExitStatus.REJECTED
    assert len(caught.value.line()) < 300, "a line of a megabyte is not repeated"


def test_what_other_sets_say_of_a_question_is_no_slip(tmp_path: Path) -> None:
    extra = {"version": "2.13", "page": 7, "url": "u", "long_answer": "…", "answer_starts": [3], "weak_doc_ids": []}
    file = _write(tmp_path / "q.jsonl", _line(**extra))
    assert len(read_training_questions(file).questions) == 2


def test_retrieval_still_reads_what_training_refuses(tmp_path: Path) -> None:
    assert len(read_questions(_write(tmp_path / "q.jsonl", _line(phrasing=["Deep?"])))) == 2


def test_a_question_without_answers_and_documents_is_one_to_decline(tmp_path: Path) -> None:
    file = _write(tmp_path / "q.jsonl", _line(answers=[], gold_doc_ids=[]))
    assert read_training_questions(file).questions[1].answers == ()


def test_one_bad_line_in_a_hundred_may_be_skipped(tmp_path: Path) -> None:
    good = [_line(id=str(number)) for number in range(1, 99)]
    file = _write(tmp_path / "q.jsonl", *good, "{")
    with pytest.raises(InputRejected, match="q.jsonl:100"):
        read_training_questions(file)
    read = read_training_questions(file, skip_bad=True)
    assert len(read.questions) == 99 and [error.where for error in read.skipped] == ["q.jsonl:100:2"]
    with pytest.raises(InputRejected, match="2 of 101 lines are bad, more than 1%"):
        read_training_questions(_write(file, *good, "{", "{"), skip_bad=True)
