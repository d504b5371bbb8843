"""A follow-up that names another thing is asked of it; one that is a question of its own, or unclear, is left."""

import pytest

from lorag.answering.follow_up import put_into


@pytest.mark.parametrize(
    ("asked", "follow_up", "expected"),
    [
        ("What is the default timeout?", "and port?", "What is the default port?"),
        ("What is the default request timeout?", "And max retries?", "What is the default max retries?"),
        ("What is the default value of `max_age`?", "and `min_age`?", "What is the default value of `min_age`?"),
        ("How deep is berth 4?", "And berth 5?", "How deep is berth 5?"),
        ("How deep is berth 4 at the lowest tide?", "What about berth 5?", "How deep is berth 5 at the lowest tide?"),
        ("How deep is berth 4?", "what about 5?", "How deep is berth 5?"),
        ("Who runs the night shift?", "and the day shift?", "Who runs the day shift?"),
        ("When does the galley open on Sundays?", "and on Mondays?", "When does the galley open on Mondays?"),
        ("What is the limit for producers?", "the same for consumers?", "What is the limit for consumers?"),
        ("What is the price of the ticket?", "and the fee?", "What is the price of the fee?"),
        ("Who chairs NATO?", "And OPEC?", "Who chairs OPEC?"),
        # A question of its own.
        ("How deep is berth 4?", "And who may use it?", None),
        ("How deep is berth 4?", "Why?", None),
        ("How deep is berth 4?", "How deep is berth 5?", None),
        ("How deep is berth 4?", "and is that safe?", None),
        # It is not clear what it replaces.
        ("When does the galley open?", "and the bar?", None),
        ("How do berths 4 and 7 differ?", "and 9?", None),
        ("Who may enter?", "and crew?", None),
        ("How deep is berth 4?", "And berth 4?", None),
    ],
)
def test_it_is_put_into_the_question_before(asked: str, follow_up: str, expected: str | None) -> None:
    assert put_into(asked, follow_up) == expected
