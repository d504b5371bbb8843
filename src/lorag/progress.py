"""Progress bars on standard error: moving on a terminal, otherwise one line each."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

console = Console(stderr=True)
"""The console for progress and notes; results go to standard output."""


def show_lines(lines: Sequence[str]) -> None:
    """Print lines as they are; no character in them is taken as markup."""
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def show_progress(title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar; yield a function to call with the number of items done since the last call.

    Nothing is shown of nothing.
    """
    if total == 0:
        yield lambda n: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(title, total=total, rate="")

        def advance(n: int) -> None:
            bar.advance(task, n)
            if speed := bar.tasks[task].speed:
                bar.update(task, rate=f"{speed:,.0f}/s")

        yield advance
        if total is None:
            bar.update(task, total=bar.tasks[task].completed)
