"""The time that a question asks for."""

import pytest

from lorag.knowledge.succession import when
from lorag.retrieval.asked_time import AskedTime, asked_time, without_time


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("How deep is berth 4?", AskedTime()),
        ("Who may enter before the pilot is on board?", AskedTime()),
        ("What is the default of pollingInterval in 2.13?", AskedTime(version=(2, 13))),
        ("Which fields did v1.4.2 of the API have?", AskedTime(version=(1, 4, 2))),
        ("What does version 3 say on berths?", AskedTime(version=(3,))),
        ("How many employees did 3M have in 2023?", AskedTime(until="2023")),
        ("What were the dues in March 2024?", AskedTime(until="2024-03")),
        ("Who chaired the meeting of 2 May 2024?", AskedTime(until="2024-05-02")),
        ("Who chaired the meeting on May 2nd, 2024?", AskedTime(until="2024-05-02")),
        ("Who chaired the meeting of 2024-05-02?", AskedTime(until="2024-05-02")),
        ("What were the dues previously?", AskedTime(past=True)),
        ("What was the limit before?", AskedTime(past=True)),
        ("What has changed in the dues?", AskedTime(past=True)),
        # Several times: none of them is the one.
        ("How do the dues of 2023 differ from those of 2024?", AskedTime(past=True)),
        ("What is new in 2.14 against 2.13?", AskedTime(past=True)),
        # Amounts are no versions.
        ("Who pays $2.50 a day?", AskedTime()),
        ("Is a draught of 2.5% too much?", AskedTime()),
        ("Is 1,234.50 the sum?", AskedTime()),
    ],
)
def test_a_question_names_a_version_a_date_the_past_or_no_time(question: str, asked: AskedTime) -> None:
    assert asked_time(question) == asked


@pytest.mark.parametrize(
    ("asked", "page", "is_later"),
    [
        (AskedTime(version=(2, 13)), "docs/2.13/x.md", False),
        (AskedTime(version=(2, 13)), "docs/2.13.4/x.md", False),
        (AskedTime(version=(2, 13)), "docs/2.14/x.md", True),
        (AskedTime(version=(2, 13)), "docs/latest/x.md", True),
        (AskedTime(version=(2, 13)), "2024-05-02.md", False),
        (AskedTime(until="2023"), "2023-12-31.md", False),
        (AskedTime(until="2023"), "2024-01-01.md", True),
        (AskedTime(until="2023-05-02"), "2023-05-03.md", True),
        (AskedTime(until="2023"), "x.md", False),
        (AskedTime(), "docs/latest/x.md", False),
    ],
)
def test_a_page_is_later_than_the_time_that_is_asked_for(asked: AskedTime, page: str, is_later: bool) -> None:
    assert asked.is_before(when(page, "X", {})) is is_later


def test_the_time_is_taken_out_of_a_question() -> None:
    assert without_time("What were the dues of berth 4 on 2 May 2024 in v2.13?").split() == (
        "What were the dues of berth 4 on in ?".split()
    )
