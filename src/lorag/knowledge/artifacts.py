"""Documents, chunks and rejections as JSON lines: the files that one stage writes and the next one reads."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lorag.digests import canonical_json, digest_of_lines
from lorag.errors import IntegrityFailed
from lorag.knowledge.documents import Block, BlockKind, Chunk, Document, Flag, Reason, Rejected


def corpus_digest(documents: Iterable[Document]) -> str:
    """Return a digest that names a corpus: over (id, version) of its documents, whatever their order."""
    return digest_of_versions({document.id: document.version for document in documents})


def digest_of_versions(versions: Mapping[str, str]) -> str:
    """Return the digest of a corpus from the versions of its documents by id."""
    return digest_of_lines(sorted(canonical_json([name, version]) for name, version in versions.items()))


def document_to_json(document: Document) -> dict[str, Any]:
    """Return the document as plain values, with each block as [kind, level, text]."""
    return {
        "id": document.id,
        "title": document.title,
        "metadata": dict(document.metadata),
        "flags": {flag.value: count for flag, count in document.flags.items()},
        "sources": list(document.sources),
        "blocks": [[block.kind.value, block.level, block.text] for block in document.blocks],
    }


def document_from_json(value: dict[str, Any]) -> Document:
    """The inverse of `document_to_json`."""
    return Document(
        id=value["id"],
        title=value["title"],
        blocks=tuple(Block(BlockKind(kind), text, level) for kind, level, text in value["blocks"]),
        metadata=value["metadata"],
        flags={Flag(flag): count for flag, count in value["flags"].items()},
        sources=tuple(value["sources"]),
    )


def chunk_to_json(chunk: Chunk) -> dict[str, Any]:
    """Return the chunk as plain values."""
    return {
        "id": chunk.id,
        "document_id": chunk.document_id,
        "context": chunk.context,
        "text": chunk.text,
        "metadata": dict(chunk.metadata),
    }


def write_documents(path: Path, documents: Iterable[Document]) -> None:
    """Write one document a line, in the given order."""
    _write_lines(path, (document_to_json(document) for document in documents))


def read_documents(path: Path) -> list[Document]:
    """Return what `write_documents` wrote; raises IntegrityFailed for a damaged line."""
    return [document_from_json(value) for value in _read_lines(path)]


def write_chunks(path: Path, chunks: Iterable[Chunk]) -> None:
    """Write one chunk a line, in the given order."""
    _write_lines(path, (chunk_to_json(chunk) for chunk in chunks))


def read_chunks(path: Path) -> list[Chunk]:
    """Return what `write_chunks` wrote; raises IntegrityFailed for a damaged line."""
    return [Chunk(**value) for value in _read_lines(path)]


def write_rejected(path: Path, rejected: Iterable[Rejected]) -> None:
    """Write one quarantined document a line."""
    _write_lines(path, ({"name": r.name, "reason": r.reason.value, "detail": r.detail} for r in rejected))


def read_rejected(path: Path) -> list[Rejected]:
    """Return what `write_rejected` wrote; raises IntegrityFailed for a damaged line."""
    return [Rejected(value["name"], Reason(value["reason"]), value["detail"]) for value in _read_lines(path)]


def _write_lines(path: Path, values: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        file.writelines(canonical_json(value) + "\n" for value in values)


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise IntegrityFailed(
                    f"damaged line: {error}", where=f"{path.name}:{number}", do="run `dvc repro --force`"
                ) from error
