"""Which page is a later state of which: by what they say, by their paths, by their dates."""

import pytest

from lorag.knowledge.succession import Succession, succession, successions, when

DECLARED, VERSION, DATE = Succession
OLD, NEW = {"date": "2023-05-01"}, {"date": "2024-05-01"}


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (("a.md", "Fees", OLD), ("b.md", "Fees", NEW), DATE),
        (("a.md", "Fees", OLD), ("b.md", "fees", NEW), DATE),
        (("a.md", "Fees", OLD), ("b.md", "Berths", NEW), None),
        (("a.md", "Fees", OLD), ("b.md", "Fees", OLD), None),
        (("r-1", "", OLD), ("r-2", "", NEW), None),
        (("a.md", "Fees", NEW), ("b.md", "Fees", OLD), None),
        (("a.md", "Fees", OLD), ("b.md", "Fees", {}), None),
        (("2023-05-01-fees.md", "Fees", {}), ("2024/06/fees.md", "Fees", {}), DATE),
        # A year and a day in it: which one is later cannot be known.
        (("2023/fees.md", "Fees", {}), ("b.md", "Fees", {"date": "2023-05-01"}), None),
        (("docs/2.9/x.md", "X", {}), ("docs/2.13/x.md", "X", {}), VERSION),
        (("docs/2.13/x.md", "X", {}), ("docs/2.9/x.md", "X", {}), None),
        (("docs/v1/x.md", "X", {}), ("docs/v2/x.md", "Another title", {}), VERSION),
        (("docs/2.13/x.md", "X", {}), ("docs/latest/x.md", "X", {}), VERSION),
        (("docs/2.13/x.md", "X", {}), ("docs/2.14/y.md", "X", {}), None),
        # A number is no version: rooms, chapters, months.
        (("rooms/3/x.md", "X", {}), ("rooms/4/x.md", "X", {}), None),
        # The version counts more than the dates: the older version was corrected later.
        (("docs/1.0/x.md", "X", NEW), ("docs/1.1/x.md", "X", OLD), VERSION),
        (("a.md", "A", {}), ("b.md", "B", {"supersedes": "a.md"}), DECLARED),
        (("p/a.md", "A", {}), ("p/b.md", "B", {"Supersedes": "c.md, ./a"}), DECLARED),
        (("p/a.md", "A", {"superseded-by": "../q/b.md"}), ("q/b.md", "B", {}), DECLARED),
        (("r-1", "A", {}), ("r-2", "B", {"supersedes": "r-1"}), DECLARED),
        # What a page says counts more than its date, unless pages contradict each other.
        (("a.md", "A", OLD | {"supersedes": "b.md"}), ("b.md", "A", NEW), None),
        (("a.md", "A", {"supersedes": "b.md"}), ("b.md", "A", {"supersedes": "a.md"}), None),
    ],
)
def test_a_page_is_a_later_state_of_another_one_for_a_reason(
    old: tuple[str, str, dict[str, str]], new: tuple[str, str, dict[str, str]], why: Succession | None
) -> None:
    before, after = when(*old), when(*new)
    assert succession(before, after) is why
    assert successions([after, before]).get((before.id, after.id)) is why


def test_a_page_that_says_nothing_of_its_time_succeeds_none() -> None:
    assert not successions([when(f"{name}.md", "Berths", {"author": "Ann"}) for name in "abc"])
