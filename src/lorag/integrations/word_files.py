"""Word indexes as files: a list of segments for each generation, and segments that generations share.

They can be made again from the rows of the store, so the folder may be deleted at any time.
"""

import json
import logging
import os
import threading
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lorag.digests import sha256_hex
from lorag.errors import IntegrityFailed
from lorag.knowledge.documents import Chunk
from lorag.releases.durable import naming, open_new, sync_path
from lorag.retrieval.index.store import Filter, IndexRef
from lorag.retrieval.terms import query_terms
from lorag.retrieval.word_index import (
    WORD_INDEX_VERSION,
    Part,
    Postings,
    Segment,
    left_ids,
    merge_small,
    rank_rows,
    read_words,
    without_rows,
)

logger = logging.getLogger(__name__)

ReadChunks = Callable[[], Sequence[Chunk]]
"""Returns all chunks of the generation that is asked for; only called if its words are not in the folder."""

_OPEN_GENERATIONS = 8
_MOST_COUNTED = np.iinfo(np.uint16).max
_SUFFIX = ".words"


class WordFiles:
    """The word indexes of a store's generations below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[IndexRef, list[Part]] = {}
        self._lock = threading.RLock()

    def rank(
        self, ref: IndexRef, query: str, k: int, where: Filter, read_chunks: ReadChunks
    ) -> list[tuple[str, float]]:
        """Return chunk id and score of the `k` best rows for the words of a question; see `rank_rows`."""
        terms = query_terms(query)
        return rank_rows(self._parts(ref, read_chunks), terms, k, where) if terms and k > 0 else []

    def write(
        self,
        ref: IndexRef,
        base: IndexRef | None,
        add: Sequence[Chunk],
        remove: Collection[str],
        read_base: ReadChunks,
    ) -> None:
        """Write the words of `ref`: those of `base` without `remove` and with `add`, whose ids may be in both."""
        with self._lock:
            gone = {*remove, *(chunk.id for chunk in add)}
            parts = without_rows(self._parts(base, read_base), gone) if base else []
            if add:
                parts.append(Part(read_words(add), np.empty(0, np.uint32)))
            self._save(ref, merge_small(parts))

    def forget(self, ref: IndexRef) -> None:
        """Remove what an unfinished writer may have left of a generation; its segments go with the next clean-up."""
        with self._lock:
            self._open.pop(ref, None)
            self._manifest(ref).unlink(missing_ok=True)

    def make_durable(self, ref: IndexRef) -> None:
        """Return once the words of a generation are on the disk."""
        manifest = self._manifest(ref)
        if manifest.exists():
            for path in [manifest, *(self._segment(name) for name in _segments(_load(manifest)))]:
                sync_path(path)
            sync_path(self._folder)

    def check(self, ref: IndexRef, ids: Collection[str]) -> None:
        """Raise IntegrityFailed if the words of a generation are damaged, or are not those of the rows `ids`.

        Words that are not there are no damage: the next search makes them.
        """
        manifest = self._manifest(ref)
        if not manifest.exists():
            return
        do = f"delete {self._folder}; the next search makes it again"
        try:
            known = _load(manifest)
            damaged = [name for name in _segments(known) if sha256_hex(self._segment(name).read_bytes()) != name]
            parts = [] if damaged else self._read(known)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise IntegrityFailed(f"the words cannot be read: {error}", where=str(manifest), do=do) from error
        left = {chunk_id for part in parts for chunk_id in left_ids(part)}
        if damaged or left != set(ids):
            what = f"damaged words: {damaged[0]}{_SUFFIX}" if damaged else "the words are those of other rows"
            raise IntegrityFailed(what, where=str(manifest), do=do)

    def drop_all_but(self, keep: Collection[IndexRef]) -> None:
        """Remove the words of all other generations, and the segments that none of these needs."""
        with self._lock:
            self._open.clear()
            kept = {self._manifest(ref) for ref in keep}
            for manifest in self._folder.glob("*.json"):
                if manifest not in kept:
                    manifest.unlink(missing_ok=True)
            needed: set[str] = set()
            for manifest in self._folder.glob("*.json"):
                try:
                    needed |= _segments(_load(manifest))
                except (OSError, ValueError, KeyError, TypeError):
                    manifest.unlink(missing_ok=True)
            for path in self._folder.glob(f"*{_SUFFIX}*"):
                if path.name.removesuffix(_SUFFIX) not in needed:
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files; may be called twice."""
        with self._lock:
            self._open.clear()

    def _parts(self, ref: IndexRef, read_chunks: ReadChunks) -> list[Part]:
        with self._lock:
            parts = self._open.pop(ref, None)
            if parts is None:
                parts = self._found(ref)
            if parts is None:
                parts = merge_small([Part(read_words(read_chunks()), np.empty(0, np.uint32))])
                try:
                    parts = self._save(ref, parts)
                except OSError as error:
                    # A search answers all the same, and the next process makes them again.
                    logger.warning("the words of %s could not be written: %s", ref.name, error)
            self._remember(ref, parts)
            return parts

    def _remember(self, ref: IndexRef, parts: list[Part]) -> None:
        self._open[ref] = parts
        while len(self._open) > _OPEN_GENERATIONS:
            self._open.pop(next(iter(self._open)))

    def _found(self, ref: IndexRef) -> list[Part] | None:
        """Return the words as they were written; None if they were not, or are broken or of another version."""
        manifest = self._manifest(ref)
        try:
            return self._read(_load(manifest))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            logger.warning("the words of %s are made again: %s", ref.name, error)
            return None

    def _read(self, manifest: Mapping[str, Any]) -> list[Part]:
        if manifest["version"] != WORD_INDEX_VERSION:
            raise ValueError(f"version {manifest['version']}, not {WORD_INDEX_VERSION}")
        return [
            Part(_FileSegment(self._segment(part["segment"])), np.array(part["gone"], np.uint32))
            for part in manifest["parts"]
        ]

    def _save(self, ref: IndexRef, parts: Sequence[Part]) -> list[Part]:
        """Write the segments that are not files yet, then the manifest; return the parts as files."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        segments = [self._saved(part.segment) for part in parts]
        saved = [Part(segment, part.gone) for segment, part in zip(segments, parts, strict=True)]
        listed = [
            {"segment": segment.path.stem, "gone": part.gone.tolist()}
            for segment, part in zip(segments, parts, strict=True)
        ]
        text = json.dumps({"version": WORD_INDEX_VERSION, "parts": listed})
        _replace(self._manifest(ref), text.encode())
        self._remember(ref, saved)
        return saved

    def _saved(self, segment: Segment) -> "_FileSegment":
        if isinstance(segment, _FileSegment):
            return segment
        data = _to_bytes(segment)
        path = self._segment(sha256_hex(data))
        # A file of that name may be there and damaged.
        _replace(path, data)
        return _FileSegment(path)

    def _segment(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"

    def _manifest(self, ref: IndexRef) -> Path:
        return self._folder / f"{ref.name}.{ref.generation}.{ref.version}.json"


class _FileSegment:
    """A segment in a file: postings are read where they are needed, ids and lengths once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Its methods have no types.
        self._file = cast("Any", safe_open(path, framework="numpy"))
        self._starts: NDArray[np.int64] = self._file.get_tensor("starts")
        self._terms = _Texts(self._file.get_tensor("terms"), self._file.get_tensor("term_ends"))

    @cached_property
    def ids(self) -> Sequence[str]:
        """See `Segment`."""
        return [*_Texts(self._file.get_tensor("ids"), self._file.get_tensor("id_ends"))]

    @cached_property
    def lengths(self) -> NDArray[np.uint32]:
        """See `Segment`."""
        lengths: NDArray[np.uint32] = self._file.get_tensor("lengths")
        return lengths

    def postings(self, term: str) -> Postings:
        """See `Segment`."""
        at = bisect_left(self._terms, _key(term), key=_key)
        if at == len(self._terms) or self._terms[at] != term:
            return np.empty(0, np.uint32), np.empty(0, np.uint32)
        start, end = int(self._starts[at]), int(self._starts[at + 1])
        return self._file.get_slice("rows")[start:end], self._file.get_slice("counts")[start:end].astype(np.uint32)

    def all_postings(self) -> Mapping[str, Postings]:
        """See `Segment`."""
        rows, counts = self._file.get_tensor("rows"), self._file.get_tensor("counts").astype(np.uint32)
        starts = self._starts.tolist()
        return {
            term: (rows[start:end], counts[start:end])
            for term, start, end in zip(self._terms, starts, starts[1:], strict=False)
        }


class _Texts(Sequence[str]):
    """Texts in one array of bytes, each up to its end."""

    def __init__(self, data: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        self._data, self._ends = data.tobytes(), ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, at: Any) -> Any:
        start = int(self._ends[at - 1]) if at else 0
        return self._data[start : int(self._ends[at])].decode("utf-8", "surrogatepass")


def _to_bytes(segment: Segment) -> bytes:
    postings = segment.all_postings()
    terms = sorted(postings, key=_key)
    lengths = [len(postings[term][0]) for term in terms]
    rows = [postings[term][0] for term in terms]
    counts = [np.minimum(postings[term][1], _MOST_COUNTED).astype(np.uint16) for term in terms]
    term_data, term_ends = _joined(terms)
    id_data, id_ends = _joined(segment.ids)
    return save(
        {
            "ids": id_data,
            "id_ends": id_ends,
            "lengths": segment.lengths,
            "terms": term_data,
            "term_ends": term_ends,
            "starts": np.cumsum([0, *lengths], dtype=np.int64),
            "rows": np.concatenate([np.empty(0, np.uint32), *rows]),
            "counts": np.concatenate([np.empty(0, np.uint16), *counts]),
        }
    )


def _joined(texts: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    encoded = [_key(text) for text in texts]
    return np.frombuffer(b"".join(encoded), np.uint8), np.cumsum([len(text) for text in encoded], dtype=np.int64)


def _key(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _load(manifest: Path) -> Mapping[str, Any]:
    value = json.loads(manifest.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError("not a list of segments")
    return value


def _segments(manifest: Mapping[str, Any]) -> set[str]:
    return {str(part["segment"]) for part in manifest["parts"]}


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    with naming(path), open_new(temporary) as file:
        file.write(data)
        file.flush()
        # A search compares no digest of it: zeros after a power loss would be taken for words.
        os.fsync(file.fileno())
    temporary.replace(path)
