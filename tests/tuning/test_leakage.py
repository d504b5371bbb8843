from dataclasses import replace

import pytest

from lorag.answering.generator import Message, Role
from lorag.answering.prompts import rag_messages
from lorag.errors import ExitStatus, GateRefused
from lorag.strategies import AdapterKind
from lorag.tuning.leakage import refuse_leakage
from lorag.tuning.pairs import Pair, PairSource
from lorag.tuning.prompting import ASK

VERSIONS = {"a.md": "1"}
PAIR = Pair(
    PairSource.QUESTIONS,
    tuple(ASK[AdapterKind.TUNED]("How deep is berth 4?")),
    "7.2 metres",
    "depth",
    VERSIONS,
    ("c-1",),
)


def _refused(pair: Pair, *kept_out: str) -> GateRefused | None:
    try:
        refuse_leakage([PAIR, pair], kept_out, VERSIONS, {"c-1"})
    except GateRefused as error:
        return error
    return None


@pytest.mark.parametrize("kept_out", ["How deep is berth 4?", "how deep is  BERTH 4", "How deep -- is 'berth' 4?!"])
def test_a_kept_out_wording_is_found_whatever_its_case_and_marks(kept_out: str) -> None:
    """Row 44 of the bad-input table."""
    error = _refused(PAIR, "Something else?", kept_out)
    assert error is not None and "leakage" in str(error)
    assert error.exit_status is ExitStatus.GATE


def test_it_is_found_behind_a_context_too() -> None:
    reading = replace(PAIR, messages=tuple(rag_messages("Who is the pilot?", ["The pilot is Casimir Holt."])))
    assert _refused(reading, "who is the pilot") is not None


def test_a_page_may_hold_the_words_of_a_kept_out_question() -> None:
    page = replace(PAIR, messages=tuple(rag_messages("Why?", ["FAQ. Who is the pilot? Casimir Holt."])))
    assert _refused(page, "Who is the pilot?") is None
    longer = (Message(Role.SYSTEM, "."), Message(Role.USER, "Who is the pilot of the harbour?"))
    assert _refused(replace(PAIR, messages=longer), "Who is the pilot?") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"documents": {"removed.md": "1"}},  # row 45: a forgotten document is never trained
        {"documents": {"a.md": "0"}},  # an earlier version of a document
        {"chunk_ids": ("c-1", "c-gone")},
    ],
)
def test_material_that_is_no_longer_there_is_refused(changes: dict[str, object]) -> None:
    error = _refused(replace(PAIR, **changes))  # type: ignore[arg-type]
    assert error is not None and "not in the corpus" in str(error)
