"""Named places in the work of writers at which a test ends the process, or lets it fail, to see what is served then.

In use nothing is armed, and reaching such a place costs nothing.
"""

import errno
import os
import signal
from collections.abc import Callable, Mapping

from lorag.errors import ParamsError

FAILPOINT = "LORAG_FAILPOINT"
"""The variable `NAME[:HOW]`: the place, and what happens the first time that it is reached."""

TEST = "LORAG_TEST"
"""The variable that must be 1, so that nobody arms a place by mistake."""

NAMES = (
    *("snapshot.before", "snapshot.deleted", "snapshot.file", "snapshot.copied", "snapshot.after"),
    *("commit.before", "commit.after"),
    *("plan.before", "plan.after"),
    *("apply.before", "apply.deleted", "apply.inserted", "apply.after"),
    *("gate.before", "gate.read", "gate.after"),
    *("publish.before", "sums.written", "sums.synced", "sums.renamed", "publish.durable"),
    *("record.written", "record.synced", "record.renamed", "audit.appended"),
    *("pointer.written", "pointer.synced", "pointer.renamed"),
    *("publish.pointed", "publish.retained", "publish.deleted", "publish.dropped", "publish.after"),
    *("settled.written", "settled.synced", "settled.renamed"),
    *("rollback.before", "rollback.verified", "rollback.after"),
    *("withdrawn.written", "withdrawn.synced", "withdrawn.renamed"),
    *("adapter.before", "adapter.copied", "adapter.ready", "adapter.after"),
    *("adapters.before", "adapters.verified", "adapters.pointed", "adapters.dropped", "adapters.after"),
    *("forget.before", "forgotten.written", "forgotten.synced", "forgotten.renamed", "forget.denied"),
    *("forgetting.written", "forgetting.synced", "forgetting.renamed"),
    *("forget.published", "forget.dropped", "forget.drained", "forget.source", "forget.questions", "forget.artifacts"),
    *("forget.caches", "forget.state", "forget.merged", "forget.mlflow", "forget.prefect", "forget.objects"),
    *("forget.history", "forget.purged"),
    *("backup.before", "backup.noted", "backup.file", "backup.sealed", "backup.durable"),
    *("backup.known", "backup.named", "backup.after"),
    *("restore.before", "restore.file", "restore.copied", "restore.erased"),
    *("restore.ready", "restore.durable", "restore.named"),
)
"""All places, in the order of the work: a refresh, a rollback, a retrain, an erasure, a backup, a restore."""

_armed: dict[str, Callable[[], None]] = {}


def arm(environment: Mapping[str, str]) -> None:
    """Arm the place that the environment names, if it names one.

    `HOW` is `kill` (the default), `raise` for an error of the disk, `full` for a full disk, or `stop` until the process
    is told to go on. Raises ParamsError for an unknown name, and outside of tests.
    """
    given = environment.get(FAILPOINT)
    if not given:
        return
    name, _, how = given.partition(":")
    if environment.get(TEST) != "1" or name not in NAMES or (how or "kill") not in _ACTIONS:
        raise ParamsError(f"{given!r} is no failpoint of a test", where=FAILPOINT, do="unset it")
    _armed[name] = _ACTIONS[how or "kill"]


def reach(name: str) -> None:
    """Do here what a test has armed, once; nothing in use."""
    if _armed and name in _armed:
        _armed.pop(name)()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _fail_with(number: int) -> Callable[[], None]:
    def fail() -> None:
        raise OSError(number, os.strerror(number))

    return fail


_ACTIONS: Mapping[str, Callable[[], None]] = {
    "kill": _kill,
    "stop": _stop,
    "raise": _fail_with(errno.EIO),
    "full": _fail_with(errno.ENOSPC),
}
