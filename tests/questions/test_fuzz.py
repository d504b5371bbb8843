"""Files of questions, drafts, style and training pairs: whatever a line holds is read, or refused in one line."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from lorag.answering.generator import Message, Role
from lorag.drafting.records import read_drafts
from lorag.errors import InputRejected, IntegrityFailed
from lorag.questions.questions import read_questions, read_training_questions
from lorag.questions.style import read_style
from lorag.tuning.pairs import Pair, PairSource, read_pairs, write_pairs
from tests.drafting.test_records import DRAFT
from tests.fuzz import CASES, fuzz, json_values, mutated

QUESTION = {"id": "1", "question": "How deep?", "answers": ["7 m"], "gold_doc_ids": ["a.md"], "phrasings": ["Deep?"]}
STYLES = [{"question": "How deep?", "answer": "7 m."}, {"question": "How high?", "pattern": "[0-9]+ m\\."}]
PAIR = Pair(PairSource.QUESTIONS, (Message(Role.USER, "How deep?"),), "7 m", "1", {"a.md": "v1"}, ("c",), "canonical")

READERS: dict[str, tuple[Callable[[Path], Any], Sequence[dict[str, Any]]]] = {
    "questions": (read_questions, [QUESTION]),
    "training questions": (read_training_questions, [QUESTION]),
    "style": (read_style, STYLES),
    "drafts": (read_drafts, [DRAFT.model_dump(mode="json")]),
    "pairs": (read_pairs, []),
}


@CASES
@pytest.mark.parametrize("name", READERS)
def test_a_line_is_read_or_refused_in_one_line(name: str, cases: int, tmp_path: Path) -> None:
    read, rows = READERS[name]
    file = tmp_path / "lines.jsonl"
    if name == "pairs":
        write_pairs(file, [PAIR])
        rows = [json.loads(file.read_text())]
    lines = [json.dumps(row).encode() for row in rows]
    names = sorted({key for row in rows for key in row})
    # A row with one value exchanged, and a value of any form.
    exchanged = st.builds(
        lambda row, key, value: {**row, key: value},
        st.sampled_from(rows),
        st.sampled_from(names),
        json_values(names, ["question", "user", "open"]),
    )
    values = st.one_of(exchanged, json_values(names, ["7 m"])).map(lambda value: json.dumps(value).encode())
    refused = []

    def check(data: bytes) -> None:
        file.write_bytes(data)
        try:
            read(file)
        except (InputRejected, IntegrityFailed) as error:
            refused.append(data)
            assert "lines.jsonl" in error.line() and "\n" not in error.line() and len(error.line()) < 600

    fuzz(cases, st.one_of(mutated(lines), values, st.binary(max_size=200)), check)
    file.write_bytes(b"\n".join(lines))
    assert refused and read(file), "what nobody changed is read"
