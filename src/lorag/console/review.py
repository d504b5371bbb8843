"""A review in a terminal: one item after the other, one key for each."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import click

from lorag.console.terminal import say
from lorag.errors import InputRejected

T = TypeVar("T")
R = TypeVar("R")


def review_by_key(
    waiting: Sequence[T], show: Callable[[T, str], None], keys: str, decide: Callable[[T, str], Sequence[R] | None]
) -> list[R]:
    """Show each item, and let keys decide about it, until none is left or the person quits; return what was decided.

    `decide` gets the item and the key; it returns what it decided, nothing if the person thought better of it, and None
    for a key that it does not know. The keys "s" (skip) and "q" (quit) are known everywhere.
    """
    decided: list[R] = []
    for number, item in enumerate(waiting, start=1):
        show(item, f"{number} of {len(waiting)}")
        say(keys)
        while (key := _read_key()) != "s":
            if key == "q":
                return decided
            try:
                found = decide(item, key)
            except InputRejected as error:
                say(error.line())
                continue
            if found:
                decided += found
                break
            say("Nothing changed." if found is not None else keys)
    return decided


def _read_key() -> str:
    """Return the next key that is pressed, as a small letter; raise KeyboardInterrupt for Ctrl-C and Ctrl-D."""
    key = click.getchar().lower()
    # getchar leaves these to the caller where the terminal is in raw mode.
    if key in ("\x03", "\x04"):
        raise KeyboardInterrupt
    return key
