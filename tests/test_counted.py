import pytest

from lorag.counted import counted, noun_for


@pytest.mark.parametrize(
    ("n", "noun", "said"),
    [
        (0, "page", "0 pages"),
        (1, "page", "1 page"),
        (1_234, "page", "1,234 pages"),
        (1, "query", "1 query"),
        (2, "query", "2 queries"),
        (2, "day", "2 days"),
        (2, "retrieved passage", "2 retrieved passages"),
    ],
)
def test_one_is_singular_and_all_else_plural(n: int, noun: str, said: str) -> None:
    assert counted(n, noun) == said


def test_a_plural_may_be_given_with_its_verb() -> None:
    assert [counted(n, "file has", "files have") for n in (1, 3)] == ["1 file has", "3 files have"]


def test_a_number_that_is_printed_in_another_way_has_its_noun() -> None:
    assert [f"{n:.3g} {noun_for(n, 'update')}" for n in (0.5, 1.0, 2.0)] == ["0.5 updates", "1 update", "2 updates"]
