"""A document that is to be forgotten, gathered from every place that says what it was: names, texts, adapters."""

import difflib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lorag.digests import sha256_hex
from lorag.errors import IntegrityFailed, LoragError, NotThere, ParamsError
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.dvc.objects import names_of_copies, object_folders, rows_naming
from lorag.integrations.stores import open_store
from lorag.knowledge.artifacts import document_from_json
from lorag.knowledge.documents import Chunk
from lorag.knowledge.formats import RECORDS
from lorag.knowledge.remains import Remains, remains_of
from lorag.params import Params
from lorag.releases.durable import write_json_durably
from lorag.releases.forgotten import Forgotten
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.index.store import Filter
from lorag.use_cases.refresh.leave_out import files_named, without_records
from lorag.use_cases.refresh.snapshot_source import COPIED_FILE
from lorag.workspace import Workspace

_ASKED = ("question", "phrasings", "held_out_phrasings", "oblique_phrasings", "answers", "sentence", "passage")


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for, and how far its erasure came.

    `contents` are the versions of the document and the sha256 of its files. `adapters` are the sha256 of those that
    left service. `release` is the one that was published without it, `n_chunks` what it had in the index before.
    """

    document: str
    remains: Remains
    contents: frozenset[str] = frozenset()
    adapters: frozenset[str] = frozenset()
    release: str | None = None
    n_chunks: int = 0
    is_anywhere: bool = True

    def write(self, sheet: Path) -> None:
        """Keep this for a run that continues."""
        write_json_durably(
            sheet,
            {
                "document": self.document,
                "remains": self.remains.to_json(),
                "contents": sorted(self.contents),
                "adapters": sorted(self.adapters),
                "release": self.release,
                "n_chunks": self.n_chunks,
            },
        )

    def continuing(self, sheet: Path) -> "Sought":
        """Return this with what an earlier, unfinished run on any document looked for."""
        try:
            value = json.loads(sheet.read_text(encoding="utf-8"))
            same = value["document"] == self.document
            return replace(
                self,
                remains=self.remains.joined(Remains.from_json(value["remains"])),
                contents=self.contents | frozenset(value["contents"]),
                adapters=self.adapters | frozenset(value["adapters"]),
                release=value["release"] if same else None,
                n_chunks=max(value["n_chunks"], self.n_chunks) if same else self.n_chunks,
            )
        except FileNotFoundError:
            return self
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityFailed(
                f"damaged: {error!r}", where=str(sheet), do="delete it, then run this again"
            ) from error


def refuse_pattern(document: str) -> None:
    """Raise ParamsError for what is no name of one document."""
    if not document.strip() or any(sign in document for sign in "*?") or document.endswith("/"):
        raise ParamsError(
            f"{document!r} names no document", where="DOCUMENT", do="name one exactly, as `lorag search` prints it"
        )


def seek(
    document: str, workspace: Workspace, params: Params, environment: Mapping[str, str], known: Forgotten
) -> Sought:
    """Return all that is known of a document here, also if the source has not had it for long.

    Raises NotThere, with the nearest names, for one that is nowhere and was never forgotten.
    """
    gathered = _Gathered({document})
    for row in _lines(workspace.documents_file):
        if document in (names := {row.get("id"), *row.get("sources", ())}):
            # A copy of a file is the same document under another name; what was a copy once may be another one now.
            gathered.names |= names
            gathered.is_anywhere |= gathered.add_row(row)
    objects = [each.path for each in object_folders(workspace.root, "cache") if each.path is not None]
    _gather_files(gathered, workspace, params, objects)
    _gather_rows(gathered, workspace, params, objects)
    others = _gather_index(gathered, workspace, params, environment)
    # A file of the user's own stays, and is no reason to do all of it again.
    is_anywhere = gathered.is_anywhere or (gathered.is_outside and not known.names(document))
    if not is_anywhere and not known.names(document):
        near = difflib.get_close_matches(document, gathered.heard_of, n=3, cutoff=0.5)
        do = f"did you mean {', '.join(near)}?" if near else "name it as `lorag search` prints it"
        raise NotThere(f"no document {document!r} is known here", where=str(workspace.root), do=do)
    remains = remains_of(gathered.names, gathered.texts, gathered.embedded).without(others)
    return Sought(document, remains, frozenset(gathered.contents), is_anywhere=is_anywhere)


@dataclass(slots=True)
class _Gathered:
    names: set[str]
    contents: set[str] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)
    embedded: list[str] = field(default_factory=list)
    heard_of: set[str] = field(default_factory=set)
    is_anywhere: bool = False
    is_outside: bool = False
    """Whether a file that is the user's own has it."""

    def add_row(self, row: Mapping[str, Any]) -> bool:
        """Add a row about the document: itself, a chunk of it, a question that cites it; return whether it is one."""
        if "blocks" in row and not self.names.isdisjoint((row.get("id"), *row.get("sources", ()))):
            found = document_from_json(dict(row))
            self.contents.add(found.version)
            self.texts += [found.title, found.text, *found.metadata.values()]
        elif row.get("document_id") in self.names and "text" in row:
            self.add_chunk(Chunk(**row))
        elif not self.names.isdisjoint(row.get("gold_doc_ids") or ()):
            self.texts += _asked_in(row)
        else:
            return False
        return True

    def add_chunk(self, chunk: Chunk) -> None:
        self.texts += [chunk.embedded_text, chunk.id]
        self.embedded.append(chunk.embedded_text)


def _gather_files(gathered: _Gathered, workspace: Workspace, params: Params, objects: Iterable[Path]) -> None:
    """Gather the document's file where it is now, and in all versions of the source's copy."""
    own = _own_source(workspace, params)
    for folder in {workspace.resolve(params.knowledge.source), own}:
        for path in files_named(folder, gathered.names):
            gathered.contents.add(sha256_hex(path.read_bytes()))
            gathered.is_anywhere |= folder != own
            gathered.is_outside |= folder == own
    for folder in objects:
        copies = names_of_copies(folder, COPIED_FILE)
        gathered.heard_of.update(copies)
        for name in gathered.names & copies.keys():
            gathered.is_anywhere = True
            paths = (folder / oid[:2] / oid[2:] for oid in copies[name])
            gathered.contents.update(sha256_hex(path.read_bytes()) for path in paths if path.is_file())


def is_in_source(names: Collection[str], workspace: Workspace, params: Params) -> bool:
    """Whether the user's own source still has a document of one of these names."""
    source = _own_source(workspace, params)
    if files_named(source, names):
        return True
    records = source if source.is_file() else source / RECORDS
    named = Forgotten().adding(names, ())
    return records.is_file() and without_records(records.read_bytes(), named) != records.read_bytes()


def count_citing(names: Collection[str], workspace: Workspace, params: Params) -> int:
    """Return how many questions in the user's own file cite a document of one of these names."""
    rows = _lines(_own_questions(workspace, params))
    return sum(not set(names).isdisjoint(row.get("gold_doc_ids") or ()) for row in rows)


def _own_source(workspace: Workspace, params: Params) -> Path:
    return workspace.resolve(params.knowledge.origin or params.knowledge.source)


def _own_questions(workspace: Workspace, params: Params) -> Path:
    return workspace.resolve(params.knowledge.questions_origin or params.knowledge.questions)


def _gather_rows(gathered: _Gathered, workspace: Workspace, params: Params, objects: Iterable[Path]) -> None:
    """Gather rows on the document from lists of this and of earlier versions, and from the cache."""
    for folder in objects:
        for row in rows_naming(folder, gathered.names):
            with suppress(KeyError, TypeError, ValueError):
                gathered.is_anywhere |= gathered.add_row(row)
    own = _own_questions(workspace, params)
    for path in {workspace.resolve(params.knowledge.questions), own, workspace.root / "drafts.jsonl"}:
        for row in _lines(path):
            if not gathered.names.isdisjoint(row.get("gold_doc_ids") or ()):
                gathered.texts += _asked_in(row)
                gathered.is_anywhere |= path != own
                gathered.is_outside |= path == own
    if workspace.cache_file.exists():
        with BlobCache(workspace.cache_file) as cache:
            cache.erase(_chunks_into(gathered), dry=True)


def _chunks_into(gathered: _Gathered) -> Callable[[str, str, bytes], bool]:
    def look(namespace: str, key: str, value: bytes) -> bool:
        if namespace == "chunks":
            with suppress(ValueError, TypeError, KeyError):
                for row in json.loads(value):
                    gathered.is_anywhere |= gathered.add_row(row)
        return False

    return look


def _gather_index(
    gathered: _Gathered, workspace: Workspace, params: Params, environment: Mapping[str, str]
) -> list[str]:
    """Gather the document's chunks in all releases, and the adapters' lineage; return the texts of other documents."""
    shelf = ReleaseShelf(workspace.state)
    in_use = shelf.in_use()
    others: list[str] = []
    store = open_store(params.index, workspace.state, environment)
    try:
        for release in shelf.releases():
            gathered.heard_of.update(release.documents)
            taught = {name for entry in release.adapters.values() for name in entry.documents}
            gathered.is_anywhere |= not gathered.names.isdisjoint(taught)
            for name in gathered.names & release.documents.keys():
                gathered.is_anywhere = True
                gathered.contents.add(release.documents[name].version)
            with suppress(LoragError):
                for chunk in store.chunks(release.index, Filter(tuple(sorted(gathered.names)))):
                    gathered.is_anywhere = True
                    gathered.add_chunk(chunk)
        if in_use is not None:
            gone = gathered.names | {
                name for name, entry in in_use.documents.items() if entry.version in gathered.contents
            }
            chunks = store.chunks(in_use.index, Filter())
            others = [chunk.embedded_text for chunk in chunks if chunk.document_id not in gone]
    finally:
        store.close()
    for row in _lines(_own_questions(workspace, params)):
        if gathered.names.isdisjoint(row.get("gold_doc_ids") or ()):
            others += _asked_in(row)
    return others


def _asked_in(row: Mapping[str, Any]) -> list[str]:
    values = [row[name] for name in _ASKED if name in row]
    return [
        text for value in values for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)
    ]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON-lines file, none if there is no such file; other lines are left out."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="surrogatepass") as file:
        for line in file:
            with suppress(ValueError, RecursionError):
                if isinstance(value := json.loads(line), dict):
                    yield value
