import pytest

from lorag.knowledge.dates import stated_date


@pytest.mark.parametrize(
    ("metadata", "date"),
    [
        ({"date": "2023-04-05"}, "2023-04-05"),
        ({"date": "2023-04-05", "lastmod": "2024-01-02T03:04:05+00:00"}, "2024-01-02"),
        ({"Last-Updated": "2024-02-29 10:00"}, "2024-02-29"),
        ({"lastmod": "soon", "date": "2023-04-05"}, "2023-04-05"),
        ({"date": "2023-02-30"}, None),
        ({"version": "2023-04-05"}, None),
    ],
)
def test_the_date_of_the_last_change_comes_before_that_of_the_first_form(
    metadata: dict[str, str], date: str | None
) -> None:
    assert stated_date(metadata) == date
