"""The printed check against another revision."""

from collections.abc import Mapping
from typing import Any

from lorag.console.terminal import say, stream_text, table


def show_check(result: Mapping[str, Any]) -> None:
    """Print the figures there and here, what they were measured over, what vanished and lost, and the verdict."""
    # They import numpy, which every command would wait for.
    from lorag.reports.check_markdown import (
        COLUMNS,
        check_rows,
        lost_lines,
        standing_lines,
        vanished_lines,
        verdict,
    )

    table(
        f"Here and {result['revision']} ({result['commit'][:10]})",
        COLUMNS,
        check_rows(result),
        n_texts=2,
        with_lines=False,
    )
    for line in standing_lines(result):
        say(f"{line[0].upper()}{line[1:]}")
    for title, lines in (
        ("Gold passages that vanished:", vanished_lines(result)),
        ("Questions that lost:", lost_lines(result)),
    ):
        if lines:
            say(title)
        for line in lines:
            say(f"  {line}")
    say(verdict(result))


def show_check_markdown(result: Mapping[str, Any]) -> None:
    """Print the same as Markdown."""
    from lorag.reports.check_markdown import summarise_check

    stream_text(summarise_check(result))
