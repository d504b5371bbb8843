from datetime import UTC, datetime

import pytest

from lorag.answering.points import Generation, Label, Span, read_point

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
"""A Wednesday."""


@pytest.mark.parametrize(
    ("text", "start", "end", "is_near"),
    [
        ("2026-02-28", "2026-02-28", "2026-03-01", False),
        ("2025-12", "2025-12-01", "2026-01-01", False),
        ("2025", "2025-01-01", "2026-01-01", False),
        ("1 May 2025", "2025-05-01", "2025-05-02", False),
        ("the 2nd of January, 2026", "2026-01-02", "2026-01-03", False),
        ("February 3, 2026", "2026-02-03", "2026-02-04", False),
        ("May of 2024", "2024-05-01", "2024-06-01", False),
        # Without a year it is the last one that has begun.
        ("March", "2026-03-01", "2026-04-01", True),
        ("May", "2025-05-01", "2025-06-01", True),
        ("dec. 24", "2025-12-24", "2025-12-25", True),
        ("yesterday", "2026-03-03", "2026-03-04", True),
        ("last week", "2026-02-23", "2026-03-02", True),
        ("last month", "2026-02-01", "2026-03-01", True),
        ("this week", "2026-03-02", "2026-03-09", True),
        ("3 days ago", "2026-03-01", "2026-03-02", True),
        ("a week ago", "2026-02-25", "2026-02-26", True),
        ("three months ago", "2025-12-04", "2025-12-05", True),
    ],
)
def test_dates_and_times_that_are_named_from_today(text: str, start: str, end: str, is_near: bool) -> None:
    span = Span(datetime.fromisoformat(f"{start}T00:00Z"), datetime.fromisoformat(f"{end}T00:00Z"), is_near)
    assert read_point(text, NOW) == span


def test_releases_and_versions() -> None:
    assert read_point("release 3", NOW) == Generation(3)
    for text in ("2.14", "version 2.14", "KEDA 2.14"):
        assert read_point(text, NOW) == Label("2.14")
    assert read_point("version 3", NOW) == Label("3")


@pytest.mark.parametrize("text", ["31 February 2026", "2026-13-01", "the flood", "berth 4", "may I", "14", "0 May", ""])
def test_what_is_no_point(text: str) -> None:
    assert read_point(text, NOW) is None
