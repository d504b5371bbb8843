"""The watcher, which notices that the knowledge has changed and reports each burst of edits once."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tenacity import retry, retry_if_exception_type, wait_exponential
from watchfiles import watch

from lorag.errors import Busy, StoreFailed
from lorag.integrations.prefect.events import EventName, emit_event
from lorag.integrations.prefect.runs import cancel_runs
from lorag.integrations.prefect.server import workspace_name
from lorag.params import Params, SchedulesParams
from lorag.releases.durable import writer_lock
from lorag.use_cases.refresh.knowledge_digest import KnowledgeDigest, stamp_of
from lorag.use_cases.refresh.pending_work import find_work
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)

LOOK_AT_FILES_S = 2.0
"""The interval between checks of single files: editors replace such a file, so it cannot be watched."""


class Watch:
    """A watch with the last reported digest; at first None, so that unwatched or lost changes are reported too.

    The first look reports nothing if a refresh would find nothing to do.
    """

    def __init__(self, workspace: Workspace, params: Params) -> None:
        self._workspace, self._params = workspace, params
        self._quiet_s = params.schedules.quiet_s
        self._longest_burst_s = params.schedules.longest_burst_s
        self._told: str | None = None
        self.digest = KnowledgeDigest(workspace, params.knowledge)

    def look(self) -> None:
        """Report to the server if the knowledge differs from the last report; wait for a server that is unreachable."""
        found = self.digest.read()
        if found is not None and found != self._told:
            if self._told is not None or not _is_settled(self._workspace, self._params):
                _tell(self._workspace, found)
            self._told = found

    def look_when_quiet(self) -> None:
        """Call `look` once two digests with a pause between them are equal, or the longest burst is over."""
        found, before = self.digest.read(), self._told
        end_s = time.monotonic() + self._longest_burst_s
        while found != before and time.monotonic() < end_s:
            time.sleep(self._quiet_s)
            found, before = self.digest.read(), found
        self.look()


def watch_knowledge(
    workspace: Workspace,
    params: Params,
    poll_s: float | None,
    ready: Callable[[], None],
    looked: Callable[[], None] = lambda: None,
) -> None:
    """Look, call `ready`, then look after every burst of edits, or every `poll_s` seconds, until the process ends.

    `looked` is called every few seconds as long as changes are noticed, and after each look. Polling is for file
    systems that do not report changes, such as most network file systems.
    """
    watcher = Watch(workspace, params)
    watcher.look()
    ready()
    looked()
    if poll_s is not None:
        while True:
            time.sleep(poll_s)
            watcher.look_when_quiet()
            looked()
    for _ in bursts(watcher.digest, params.schedules, looked):
        watcher.look()


def bursts(
    digest: KnowledgeDigest, params: SchedulesParams, looked: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Yield once at the start, after each burst of edits of the source, and after each new questions file.

    `looked` is called every few seconds, as long as there is a source.
    """
    while True:
        while not digest.source.exists():
            time.sleep(LOOK_AT_FILES_S)
        yield from _bursts_of_one_folder(digest, params, looked)


def _bursts_of_one_folder(
    digest: KnowledgeDigest, params: SchedulesParams, looked: Callable[[], None]
) -> Iterator[None]:
    # Single files are checked in the pauses; their folder may hold anything, so it is not watched.
    watched, stamps = _inode(digest.source), None
    for changed in watch(
        digest.source,
        step=round(params.quiet_s * 1000),
        debounce=round(params.longest_burst_s * 1000),
        rust_timeout=round(LOOK_AT_FILES_S * 1000),
        yield_on_timeout=True,
        raise_interrupt=True,
    ):
        before, stamps = stamps, digest.stamps()
        # Also at the start: otherwise edits made before the watch began would be missed.
        if changed or stamps != before:
            yield
        looked()
        if _inode(digest.source) != watched:
            return


@retry(retry=retry_if_exception_type(StoreFailed), wait=wait_exponential(max=30))
def _tell(workspace: Workspace, digest: str) -> None:
    try:
        # A comparison holds the writer lock for minutes; the release that follows from this change starts a new one.
        cancel_runs("compare_strategies", workspace_name(workspace.root))
        emit_event(EventName.KNOWLEDGE_CHANGED, workspace.root, {"digest": digest})
    except StoreFailed as error:
        logger.warning("%s", error)
        raise
    logger.info("reported the change: %s", digest[:12])


def _is_settled(workspace: Workspace, params: Params) -> bool:
    try:
        # A refresh that is running may have read what has been edited since.
        with writer_lock(workspace.lock_file):
            return not find_work(workspace, params).reasons
    except Busy:
        return False


def _inode(path: Path) -> int | None:
    stamp = stamp_of(path)
    return stamp[2] if stamp else None
