"""Progress bars on standard error: moving on a terminal, otherwise a line each, and one every half minute of it."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

_SHOW_S = 0.1
_TELL_S = 30.0
"""A log shows at least this often that long work goes on."""

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
        waiting, shown_s, lock = 0, time.monotonic(), threading.Lock()
        told_s = shown_s

        def advance(n: int) -> None:
            nonlocal waiting
            with lock:
                waiting += n
                # To show each of 30,000 items takes as long as to cut them.
                if time.monotonic() - shown_s > _SHOW_S:
                    show()

        def show() -> None:
            nonlocal waiting, shown_s, told_s
            shown_s = time.monotonic()
            bar.advance(task, waiting)
            waiting = 0
            done, elapsed_s = bar.tasks[task].completed, bar.tasks[task].elapsed
            if done and elapsed_s:
                # Of the whole work: that of its last moments says nothing about what was waited for.
                rate = f"{done / elapsed_s:,.{0 if done > 10 * elapsed_s else 1}f}/s"
                bar.update(task, rate=rate)
                if not console.is_terminal and shown_s - told_s > _TELL_S:
                    told_s = shown_s
                    show_lines([f"  {title}: {done:,.0f}{f' of {total:,}' if total else ''}, {rate}"])

        try:
            yield advance
        finally:
            show()
        if total is None:
            bar.update(task, total=bar.tasks[task].completed)
