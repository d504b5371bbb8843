"""A source folder becomes a corpus: list, read, parse in child processes, merge copies, name what was left out."""

import json
import logging
import unicodedata
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Protocol

from lorag.counted import counted
from lorag.digests import digest_of, sha256_hex
from lorag.errors import InputRejected
from lorag.integrations.parsing.pool import ParserPool, processes_for
from lorag.integrations.parsing.source_folder import SourceFile, SourceListing, escape_name, list_source, read_file
from lorag.knowledge.documents import Corpus, Document, Flag, Reason, Rejected
from lorag.knowledge.formats import (
    ParsedDocument,
    ParsedRecords,
    ParseResult,
    Quarantine,
    parser_versions,
    result_from_json,
    result_to_json,
    with_title,
)
from lorag.knowledge.near_duplicates import count_near_duplicates
from lorag.knowledge.sketches import SKETCH_VERSION
from lorag.params import KnowledgeParams, ParserParams, SecretPolicy
from lorag.releases.forgotten import Forgotten
from lorag.use_cases.refresh.hold_back import hold_back

log = logging.getLogger(__name__)

Progress = Callable[[int], None]
"""A function that is called with the number of files done since the last call."""


class ParseCache(Protocol):
    """A cache of parse results by key; losing one only costs another parse."""

    def get(self, key: str) -> bytes | None:
        """Return what was put under `key`; None if nothing was."""

    def put(self, key: str, value: bytes) -> None:
        """Keep `value` under `key`."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A document before duplicates are merged: where it was found, the digest of the file's bytes, and its sketch."""

    document: Document
    place: str
    bytes_sha256: str
    sketch: bytes


def load_corpus(
    source: Path,
    params: KnowledgeParams,
    *,
    cache: ParseCache | None = None,
    progress: Progress | None = None,
    keep_ids: Collection[str] = (),
    forgotten: Forgotten = Forgotten(),
    copied: Collection[str] | None = None,
) -> Corpus:
    """Return the documents of a source folder (or of one `documents.jsonl`) sorted by id, and the left-out by name.

    The same source gives the same corpus, with a cache or without. Files with equal bytes become one document, under
    the first of their names; a name in `keep_ids` goes before the others, so that a new copy takes over no id.
    Where two contents have the same id, both are rejected. What was forgotten is left out, and so is what `hold_back`
    holds back, given the files that were `copied`. Raises InputRejected only if there is no source; `require_usable`
    checks whether enough of it could be read.
    """
    listing, held = hold_back(list_source(source, max_file_bytes=params.max_file_bytes), copied)
    corpus = load_files(listing, params, cache=cache, progress=progress, keep_ids=keep_ids, forgotten=forgotten)
    return replace(corpus, rejected=(*corpus.rejected, *held))


def load_files(
    listing: SourceListing,
    params: KnowledgeParams,
    *,
    cache: ParseCache | None = None,
    progress: Progress | None = None,
    keep_ids: Collection[str] = (),
    forgotten: Forgotten = Forgotten(),
) -> Corpus:
    """Return the documents of listed files, as `load_corpus` does of all files of a source."""
    loaded: list[_Loaded] = []
    rejected = list(listing.rejected)
    files = tuple(file for file in listing.files if not forgotten.names(file.id))
    rejected += [Rejected(file.id, Reason.FORGOTTEN) for file in listing.files if forgotten.names(file.id)]
    for file, sha256, result in _parse_files(replace(listing, files=files), params, cache):
        for item in _interpret(file, sha256, result, params.secrets):
            if isinstance(item, Rejected):
                rejected.append(item)
            elif forgotten.covers(item.document.id, item.document.version) or forgotten.has_content(item.bytes_sha256):
                rejected.append(Rejected(item.place, Reason.FORGOTTEN))
            else:
                loaded.append(item)
        if progress is not None:
            progress(1)
    accepted, clashing = _refuse_double_ids(_merge_equal_bytes(loaded, keep_ids))
    rejected += clashing
    for item in rejected:
        if item.reason.is_fault:
            log.warning("left out %s: %s (%s)", item.name, item.reason, item.detail)
    return Corpus(
        tuple(_flag_name_clashes(_flag_near_duplicates(accepted))),
        tuple(sorted(rejected, key=lambda item: (item.name, item.reason, item.detail))),
    )


def rejected_share(corpus: Corpus) -> float:
    """Return the share of names that were left out because of a fault; 0 for an empty corpus."""
    faults = sum(item.reason.is_fault for item in corpus.rejected)
    found = sum(max(1, len(document.sources)) for document in corpus.documents)
    return faults / (faults + found) if faults else 0.0


def require_usable(corpus: Corpus, params: KnowledgeParams, *, source: Path, report: str) -> None:
    """Raise InputRejected if too much was left out; `report` names the file with the details."""
    share = rejected_share(corpus)
    faults = [item for item in corpus.rejected if item.reason.is_fault]
    if share > params.max_rejected_share:
        first = faults[0]
        detail = f" ({first.detail})" if first.detail else ""
        raise InputRejected(
            f"{len(faults)} of {counted(round(len(faults) / share), 'document was', 'documents were')} rejected, "
            f"more than the {params.max_rejected_share:.0%} allowed; first {first.name}: {first.reason}{detail}",
            where=str(source),
            do=f"see {report}, then fix or remove them, or raise knowledge.max_rejected_share",
        )


def refuse_empty(corpus: Corpus, *, source: Path) -> None:
    """Raise InputRejected if there is nothing to index."""
    if not corpus.documents:
        others = counted(len(corpus.rejected), "file has", "files have")
        raise InputRejected(
            "nothing to index" + (f"; {others} an unsupported format" if corpus.rejected else ""),
            where=str(source),
            do="add documents, name another source, or serve an empty index with --allow-shrink",
        )


def _parse_files(
    listing: SourceListing, params: KnowledgeParams, cache: ParseCache | None
) -> Iterator[tuple[SourceFile, str, ParseResult]]:
    """Yield each file with the digest of its bytes and its parse result, in the order of the listing.

    Equal bytes of one format are parsed once; bytes whose result is in the cache are not parsed.
    """
    settings = _settings_digest(params.parser)
    known: dict[str, ParseResult] = {}
    asked: dict[str, None] = {}  # keys in the order in which their documents go to the parsers
    waiting: deque[tuple[SourceFile, str, str]] = deque()

    def read_unknown() -> Iterator[tuple[str, bytes]]:
        for file in listing.files:
            try:
                data = read_file(listing.root, file, max_file_bytes=params.max_file_bytes)
            except Quarantine as verdict:
                known[f"unread {file.id}"] = verdict
                waiting.append((file, "", f"unread {file.id}"))
                continue
            sha256 = sha256_hex(data)
            key = digest_of([file.kind, sha256, settings])
            waiting.append((file, sha256, key))
            if key in known or key in asked:
                continue
            if (cached := _from_cache(cache, key)) is not None:
                known[key] = cached
                continue
            asked[key] = None
            yield file.kind, data

    def take_known() -> Iterator[tuple[SourceFile, str, ParseResult]]:
        while waiting and waiting[0][2] in known:
            file, sha256, key = waiting.popleft()
            yield file, sha256, known[key]

    formats = {file.kind for file in listing.files}
    with ParserPool(params.parser, formats, processes=processes_for(len(listing.files))) as pool:
        for result in pool.parse_all(read_unknown()):
            key = next(iter(asked))
            del asked[key]
            known[key] = result
            _to_cache(cache, key, result)
            yield from take_known()
    yield from take_known()


def _settings_digest(limits: ParserParams) -> str:
    return digest_of([parser_versions(), SKETCH_VERSION, limits.model_dump(mode="json")])


def _from_cache(cache: ParseCache | None, key: str) -> ParseResult | None:
    value = cache.get(key) if cache is not None else None
    if value is None:
        return None
    try:
        return result_from_json(json.loads(value))
    except (ValueError, KeyError, TypeError):
        log.warning("a cached parse result cannot be read; the document is parsed again")
        return None


def _to_cache(cache: ParseCache | None, key: str, result: ParseResult) -> None:
    # The parser may have hit its limit because the machine was busy: that verdict is not cached.
    if cache is None or (isinstance(result, Quarantine) and result.reason is Reason.PARSER_LIMIT):
        return
    cache.put(key, json.dumps(result_to_json(result)).encode())


def _interpret(
    file: SourceFile, sha256: str, result: ParseResult, policy: SecretPolicy
) -> Iterator[_Loaded | Rejected]:
    if isinstance(result, ParsedRecords):
        for record in result.records:
            place = f"{file.id}:{record.line}"
            # Only the id distinguishes records: equal bytes are never merged.
            yield _accept(record.result, record.id, f"{place} {escape_name(record.id)}".rstrip(), place, "", policy)
    else:
        titled = with_title(result, file.id) if isinstance(result, ParsedDocument) else result
        yield _accept(titled, file.id, file.id, file.id, sha256, policy)


def _accept(
    result: ParsedDocument | Quarantine, document_id: str, name: str, place: str, sha256: str, policy: SecretPolicy
) -> _Loaded | Rejected:
    if isinstance(result, Quarantine):
        return Rejected(name, result.reason, result.detail)
    for note in result.notes:
        log.warning("%s: %s", name, note)
    if Flag.POSSIBLE_SECRET in result.flags and policy is SecretPolicy.QUARANTINE:
        return Rejected(name, Reason.POSSIBLE_SECRET, "; ".join(result.notes[-result.flags[Flag.POSSIBLE_SECRET] :]))
    document = Document(document_id, result.title, result.blocks, result.metadata, result.flags, (document_id,))
    return _Loaded(document, place, sha256, result.sketch)


def _merge_equal_bytes(loaded: Sequence[_Loaded], keep_ids: Collection[str]) -> list[_Loaded]:
    """Return one document for all files with equal bytes, under a name in `keep_ids`, else the first of their names."""
    groups: dict[str, list[_Loaded]] = defaultdict(list)
    for item in loaded:
        groups[item.bytes_sha256 or f"record {item.place}"].append(item)
    merged = []
    for group in groups.values():
        first, *others = sorted(group, key=lambda item: (item.document.id not in keep_ids, item.document.id))
        names = (first.document.id, *(item.document.id for item in others))
        merged.append(replace(first, document=replace(first.document, sources=names)) if others else first)
    return merged


def _refuse_double_ids(loaded: Sequence[_Loaded]) -> tuple[list[_Loaded], list[Rejected]]:
    """Return one document for each id, sorted; an id with two contents is rejected at each place where it occurs."""
    accepted: list[_Loaded] = []
    rejected: list[Rejected] = []
    by_id = sorted(loaded, key=lambda item: item.document.id)
    for document_id, same in groupby(by_id, key=lambda item: item.document.id):
        group = list(same)
        if len(group) == 1 or len({item.document.version for item in group}) == 1:
            accepted.append(group[0])
            continue
        places = " and ".join(item.place for item in group)
        rejected += [
            Rejected(item.place, Reason.DUPLICATE_ID, f"id {escape_name(document_id)} has different texts in {places}")
            for item in group
        ]
    return accepted, rejected


def _flag_near_duplicates(loaded: Sequence[_Loaded]) -> list[Document]:
    """Flag documents whose text is nearly that of others, with the number of those that were found."""
    counts = count_near_duplicates([item.sketch for item in loaded])
    return [
        replace(item.document, flags={**item.document.flags, Flag.NEAR_DUPLICATE: count}) if count else item.document
        for item, count in zip(loaded, counts, strict=True)
    ]


def _flag_name_clashes(documents: Sequence[Document]) -> Iterator[Document]:
    """Flag names that are equal for some file systems: `A.md` and `a.md`, or two Unicode forms of one name."""
    folded = Counter(_fold(document.id) for document in documents)
    for document in documents:
        others = folded[_fold(document.id)] - 1
        if not others:
            yield document
            continue
        log.warning("%s: another document's name differs only in case or Unicode form", document.id)
        yield replace(document, flags={**document.flags, Flag.NAME_CLASH: others})


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
