"""The file of a report: what stands in it of a line of text."""

import pytest

from lorag.reports.page import Section, render_page


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("run `lorag plan` again", "run <code>lorag plan</code> again"),
        ("a ` b", "a ` b"),
        ("`<b>`", "<code>&lt;b&gt;</code>"),
    ],
)
def test_what_stands_between_two_backticks_is_code_and_nothing_is_lost(line: str, shown: str) -> None:
    assert f"<p>{shown}</p>" in render_page("t", [], [Section("s", [line])])
