"""The errors that a caller treats differently, each with its code and exit status."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any


class ExitStatus(IntEnum):
    """The exit statuses of the command line; they are fixed, so scripts may rely on them."""

    OK = 0
    DEFECT = 1
    USAGE = 2
    REJECTED = 3
    GATE = 4
    STORE = 5
    BUSY = 6
    INTEGRITY = 7


class LoragError(Exception):
    """An error as one line for a person: what is wrong, where, and what to do about it.

    `more` are lines that are printed below it, and `details` the same as plain values; most errors have neither.
    """

    code = "E000"
    exit_status = ExitStatus.DEFECT

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        do: str = "",
        more: Sequence[str] = (),
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(" – ".join(part for part in (what, where, do) if part))
        self.what = what
        self.where = where
        self.do = do
        self.more = tuple(more)
        self.details = details

    def to_json(self) -> dict[str, Any]:
        """Return the object `error` of any command with `--json`, and of the service."""
        value: dict[str, Any] = {"code": self.code, "what": self.what, "where": self.where, "do": self.do}
        return value | ({"details": self.details} if self.details is not None else {})

    def line(self) -> str:
        """Return `error[E001] what – where – what to do`, without line breaks."""
        return f"error[{self.code}] {' '.join(str(self).split())}"


class ParamsError(LoragError):
    """params.yaml, a flag or an environment value cannot be used."""

    code = "E001"
    exit_status = ExitStatus.USAGE


class WorkspaceError(LoragError):
    """The folder is not a workspace, or something that the command needs is missing."""

    code = "E002"
    exit_status = ExitStatus.USAGE


class NothingServed(WorkspaceError):
    """No release was published yet."""


class NotThere(WorkspaceError):
    """The release, document or answer that a caller names does not exist, or this caller may not read it."""


class InputRejected(LoragError):
    """The input as a whole cannot be used: missing, empty, or too much of it unreadable."""

    code = "E010"
    exit_status = ExitStatus.REJECTED


class GateRefused(LoragError):
    """A check before publishing failed; the served release is unchanged."""

    code = "E020"
    exit_status = ExitStatus.GATE


class StoreFailed(LoragError):
    """A store or service is down, full, or answered with an error."""

    code = "E030"
    exit_status = ExitStatus.STORE


class Busy(LoragError):
    """Another process holds the workspace's writer lock."""

    code = "E040"
    exit_status = ExitStatus.BUSY


class Overloaded(LoragError):
    """The service has as many requests as it may hold, or this key has asked too often."""

    code = "E041"
    exit_status = ExitStatus.BUSY


class TimedOut(LoragError):
    """The answer was not ready in time."""

    code = "E042"
    exit_status = ExitStatus.BUSY


class NotAllowed(LoragError):
    """The caller has no key, or a key that does not allow this."""

    code = "E060"
    exit_status = ExitStatus.USAGE


class IntegrityFailed(LoragError):
    """Stored bytes do not match their digest."""

    code = "E050"
    exit_status = ExitStatus.INTEGRITY


def error_of(code: str, what: str, where: str, do: str, details: Mapping[str, Any] | None = None) -> LoragError:
    """Return the error with that code, as another process reported it."""
    kinds: dict[str, type[LoragError]] = {kind.code: kind for kind in LoragError.__subclasses__()}
    return kinds.get(code, LoragError)(what, where=where, do=do, details=details)
