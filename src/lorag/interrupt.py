"""What an interrupt from the keyboard does: one line and exit status 130, at any moment."""

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130
SAID = "interrupted; what is served is whole, and `lorag status` shows it\n"


def leave_at_once() -> None:
    """Let an interrupt end this process with that line, as long as there is nothing to put in order: while it imports.

    Does nothing if interrupts are ignored, as in a job that a shell started in the background.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def raise_again() -> None:
    """Undo `leave_at_once`: an interrupt raises KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.stderr.write(SAID)
    sys.stderr.flush()
    os._exit(INTERRUPTED)
