"""Digests of the knowledge where it comes from: they show whether a refresh has anything to read."""

from pathlib import Path

from lorag.digests import digest_of, sha256_hex
from lorag.errors import InputRejected
from lorag.integrations.parsing.source_folder import SourceFile, list_source, read_file
from lorag.knowledge.formats import Quarantine
from lorag.params import KnowledgeParams
from lorag.workspace import Workspace

Stamp = tuple[int, int, int]
"""The modification time in ns, the size in bytes and the inode of a file."""


class KnowledgeDigest:
    """A digest of the source and the questions; it reads only files whose time, size or inode changed."""

    def __init__(self, workspace: Workspace, params: KnowledgeParams) -> None:
        self.source = workspace.resolve(params.origin or params.source)
        self.questions = workspace.resolve(params.questions_origin or params.questions)
        self._max_file_bytes = params.max_file_bytes
        self._known: dict[Path, tuple[Stamp, str]] = {}

    def read(self) -> str | None:
        """Return the digest of both; None if the source is missing, for example while a folder is being replaced."""
        source = self.read_source()
        return None if source is None else digest_of([source, self.read_questions()])

    def read_source(self) -> str | None:
        """Return the digest of the source alone; None if it is missing."""
        try:
            listing = list_source(self.source, max_file_bytes=self._max_file_bytes)
        except InputRejected:
            return None
        files = [[file.id, self._of(listing.root, file)] for file in listing.files]
        rejected = [[item.name, item.reason, item.detail] for item in listing.rejected]
        return digest_of([files, rejected])

    def read_questions(self) -> str:
        """Return the digest of the questions file; empty if there is none."""
        try:
            return sha256_hex(self.questions.read_bytes())
        except OSError:
            return ""

    def stamps(self) -> tuple[Stamp | None, Stamp | None]:
        """Return cheap stamps that show whether the questions file, or a source that is one file, was replaced."""
        return stamp_of(self.questions), None if self.source.is_dir() else stamp_of(self.source)

    def _of(self, root: Path, file: SourceFile) -> str:
        path = root.joinpath(*file.parts)
        stamp = stamp_of(path)
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


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of a file, or of the file that a link names; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
