"""The watcher, which notices that the knowledge has changed and reports each burst of edits once."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tenacity import retry, retry_if_exception_type, wait_exponential
from watchfiles import watch

from lorag.digests import digest_of, sha256_hex
from lorag.errors import InputRejected, StoreFailed
from lorag.integrations.parsing.source_folder import SourceFile, list_source, read_file
from lorag.integrations.prefect.events import EventName, emit_event
from lorag.integrations.prefect.runs import cancel_runs
from lorag.integrations.prefect.server import workspace_name
from lorag.knowledge.formats import Quarantine
from lorag.params import KnowledgeParams, Params, SchedulesParams
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)

LOOK_AT_FILES_S = 2.0
"""The interval between checks of single files: editors replace such a file, so it cannot be watched."""

Stamp = tuple[int, int, int]


class KnowledgeDigest:
    """A digest of the source and the questions; it reads only files whose time, size or inode changed."""

    def __init__(self, workspace: Workspace, params: KnowledgeParams) -> None:
        self.source = workspace.resolve(params.origin or params.source)
        self.questions = workspace.resolve(params.questions_origin or params.questions)
        self._max_file_bytes = params.max_file_bytes
        self._known: dict[Path, tuple[Stamp, str]] = {}

    def read(self) -> str | None:
        """Return the digest; None if the source is missing, for example while a folder is being replaced."""
        try:
            listing = list_source(self.source, max_file_bytes=self._max_file_bytes)
        except InputRejected:
            return None
        files = [[file.id, self._of(listing.root, file)] for file in listing.files]
        return digest_of([files, [rejected.name for rejected in listing.rejected], self._of_questions()])

    def stamps(self) -> tuple[Stamp | None, Stamp | None]:
        """Return cheap stamps that show whether the questions file, or a source that is one file, was replaced."""
        return _stamp(self.questions), None if self.source.is_dir() else _stamp(self.source)

    def _of(self, root: Path, file: SourceFile) -> str:
        path = root.joinpath(*file.parts)
        stamp = _stamp(path)
        known = self._known.get(path)
        if stamp is not None and known is not None and known[0] == stamp:
            return known[1]
        try:
            digest = sha256_hex(read_file(root, file, max_file_bytes=self._max_file_bytes))
        except Quarantine as verdict:
            return str(verdict.reason)
        if stamp is not None:
            self._known[path] = (stamp, digest)
        return digest

    def _of_questions(self) -> str:
        try:
            return sha256_hex(self.questions.read_bytes())
        except OSError:
            return ""


class Watch:
    """A watch with the last reported digest; at first None, so that unwatched or lost changes are reported too."""

    def __init__(self, workspace: Workspace, params: Params) -> None:
        self._workspace = workspace
        self._quiet_s = params.schedules.quiet_s
        self._longest_burst_s = params.schedules.longest_burst_s
        self._told: str | None = None
        self.digest = KnowledgeDigest(workspace, params.knowledge)

    def look(self) -> None:
        """Report to the server if the knowledge differs from the last report; wait for a server that is unreachable."""
        found = self.digest.read()
        if found is not None and found != self._told:
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


def watch_knowledge(workspace: Workspace, params: Params, poll_s: float | None, ready: Callable[[], None]) -> None:
    """Look, call `ready`, then look after every burst of edits, or every `poll_s` seconds, until the process ends.

    Polling is for file systems that do not report changes, such as most network file systems.
    """
    watcher = Watch(workspace, params)
    watcher.look()
    ready()
    if poll_s is not None:
        while True:
            time.sleep(poll_s)
            watcher.look_when_quiet()
    for _ in bursts(watcher.digest, params.schedules):
        watcher.look()


def bursts(digest: KnowledgeDigest, params: SchedulesParams) -> Iterator[None]:
    """Yield once at the start, after each burst of edits of the source, and after each new questions file."""
    while True:
        while not digest.source.exists():
            time.sleep(LOOK_AT_FILES_S)
        yield from _bursts_of_one_folder(digest, params)


def _bursts_of_one_folder(digest: KnowledgeDigest, params: SchedulesParams) -> Iterator[None]:
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


def _inode(path: Path) -> int | None:
    stamp = _stamp(path)
    return stamp[2] if stamp else None


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
