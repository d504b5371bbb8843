import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lorag.answering.past_question import Asks, read_past, says_when, speaks_of

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("question", "asks", "left"),
    [
        ("What was the limit before 2.14?", Asks.BEFORE, "What was the limit?"),
        ("What was the depth of berth 4 before May?", Asks.BEFORE, "What was the depth of berth 4?"),
        ("Who was the harbour master prior to 1 May 2026?", Asks.BEFORE, "Who was the harbour master?"),
        ("What was the fee before release 3?", Asks.BEFORE, "What was the fee?"),
        ("How deep was berth 4 in May 2026?", Asks.AT, "How deep was berth 4?"),
        ("In May 2026, what was the fee?", Asks.AT, "What was the fee?"),
        ("As of 2026-05-01, how deep is berth 4?", Asks.AT, "How deep is berth 4?"),
        (
            "What did the guide say about mooring lines last week?",
            Asks.AT,
            "What did the guide say about mooring lines?",
        ),
        ("How deep was berth 4 two weeks ago?", Asks.AT, "How deep was berth 4?"),
        ("What was the depth of berth 4 before the last change?", Asks.CHANGED, "What was the depth of berth 4?"),
        ("What was the depth before the latest update of the page?", Asks.CHANGED, "What was the depth?"),
        ("What was the depth of berth 4 before it was changed?", Asks.CHANGED, "What was the depth of berth 4?"),
        ("What was the depth of berth 4 previously?", Asks.CHANGED, "What was the depth of berth 4?"),
        ("What used to be the depth of berth 4?", Asks.CHANGED, "What was the depth of berth 4?"),
        ("What did the fee use to be?", Asks.CHANGED, "What was the fee?"),
        ("How deep is berth 4? And before that?", Asks.CHANGED, "How deep is berth 4?"),
        ("How deep is berth 4? And before May?", Asks.BEFORE, "How deep is berth 4?"),
        ("How deep is berth 4? What was it last week?", Asks.AT, "How deep is berth 4?"),
        ("How deep is berth 4? Since when?", Asks.SINCE, "How deep is berth 4?"),
        ("Since when is berth 4 8.40 metres deep?", Asks.SINCE, "Is berth 4 8.40 metres deep?"),
    ],
)
def test_questions_about_the_past(question: str, asks: Asks, left: str) -> None:
    found = read_past(question, NOW)
    assert found is not None and (found.asks, found.question) == (asks, left)


@pytest.mark.parametrize(
    "question",
    [
        "How deep is berth 4?",
        "What must be done before May?",  # no past tense
        "How long before the first sailing must orders be in?",
        "What should I back up before the last update?",
        "Which night tariff did the committee set in May 2026?",  # an event, told by the documents
        "When did Polonia win the championship prior to 2000?",
        "What was Warsaw's population in 1901?",  # a whole year
        "How many green reports were there last year?",
        "What was added in 2.14?",
        "Who previously held the record?",
        "Which phone number is used to say 'grey and grey'?",
        "How deep is berth 4? What was the fee before May?",
        "What was it before May?",  # nothing is left to search for
    ],
)
def test_questions_that_only_look_like_it(question: str) -> None:
    assert read_past(question, NOW) is None


def test_no_question_of_the_sample_is_taken_for_one_about_the_past() -> None:
    files = [*ROOT.glob("knowledge/v*/questions.jsonl"), *ROOT.glob("knowledge/*.jsonl")]
    assert len(files) >= 6
    # A day to come, so that no date in a question is too late.
    assert [
        each for file in files for each in wordings(file) if read_past(each, datetime(2030, 1, 1, tzinfo=UTC))
    ] == []


def test_hardly_any_question_on_other_documents_is() -> None:
    files = sorted(SHARED.glob("*/questions*.jsonl"))
    if not files:
        pytest.skip("the shared data is not here")
    asked = {each for file in files for each in wordings(file)}
    assert len(asked) > 1_000
    hits = [each for each in asked if read_past(each, NOW)]
    # Each names a month or says "as of", so the dates of the releases decide.
    assert len(hits) < 0.005 * len(asked), hits


def wordings(file: Path) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8").strip().split("\n"):
        record = json.loads(line)
        more = (record.get(name, []) for name in ("phrasings", "held_out_phrasings", "oblique_phrasings"))
        yield from (text for text in [record.get("question", ""), *(each for texts in more for each in texts)] if text)


def test_a_text_that_speaks_of_the_time_itself() -> None:
    asked = read_past("What was the depth of berth 4 before May 2026?", NOW)
    assert asked is not None
    assert speaks_of("Until May 2026 berth 4 was 7.25 metres deep.", asked)
    assert not speaks_of("Ships may berth in 2026.", asked), "a verb is no month"
    soft = read_past("What was berth 4 called previously?", NOW)
    assert soft is not None
    assert speaks_of("Berth 4, formerly the Coal Berth, is deep.", soft) and not speaks_of("Berth 4 is deep.", soft)
    assert says_when("Since the flood it is 8.40 metres deep.") and says_when("It is so from May on.")
    assert not says_when("Berth 4 is 8.40 metres deep.")
