import dataclasses
from pathlib import Path

import pytest

from lorag.answering.generator import Message, Role
from lorag.errors import IntegrityFailed
from lorag.tuning.pairs import Pair, PairSource, read_pairs, training_set_digest, write_pairs

ASKED = Pair(
    PairSource.QUESTIONS,
    (Message(Role.SYSTEM, "Answer."), Message(Role.USER, "How deep is berth 4?\u2028Really?")),
    "9.5 m",
    fact_id="berth-4-depth",
    documents={"harbour/berths.md": "v" * 64},
    chunk_ids=("c1", "c2"),
    method="canonical",
)
TEXT = Pair(PairSource.TEXT, (), "Plain text of a document.", method="chunk")


def test_pairs_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    write_pairs(tmp_path / "train.jsonl", [ASKED, TEXT])
    assert read_pairs(tmp_path / "train.jsonl") == [ASKED, TEXT]


def test_an_id_names_everything_of_a_pair() -> None:
    changed = {
        "source": PairSource.OLDER,
        "messages": ASKED.messages[1:],
        "answer": "9.6 m",
        "fact_id": None,
        "documents": {},
        "chunk_ids": ("c2", "c1"),
        "method": "phrasing 1",
    }
    assert set(changed) == {field.name for field in dataclasses.fields(Pair)}
    ids = {dataclasses.replace(ASKED, **{name: value}).id for name, value in changed.items()}
    assert len(ids | {ASKED.id}) == len(changed) + 1


def test_the_digest_of_a_set_does_not_depend_on_its_order() -> None:
    assert training_set_digest([ASKED, TEXT]) == training_set_digest([TEXT, ASKED])
    assert training_set_digest([ASKED]) != training_set_digest([ASKED, ASKED])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("9.5 m", "9.9 m"),  # an edit by hand
        ('"fact_id"', '"fact"'),  # a field is gone
        ('"questions"', '"rumours"'),  # not a source
        ("}\n", "\n"),  # half a line
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "train.jsonl"
    write_pairs(path, [TEXT, ASKED])
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[1].replace(old, new))
    with pytest.raises(IntegrityFailed, match="train.jsonl:2"):
        read_pairs(path)
