"""Documents, chunks and vectors as tables of derived columns for Great Expectations.

No column holds text: values of failing rows end in the Data Docs, where a forgotten document would live on.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lorag.digests import digest_of
from lorag.knowledge.chunking.document import ID_LENGTH
from lorag.knowledge.documents import Chunk, Document

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def frame_documents(documents: Sequence[Document]) -> pd.DataFrame:
    """One row a document: id, version, lengths in characters, number of control characters."""
    texts = [document.text for document in documents]
    return frame(
        [document.id for document in documents],
        version=pd.Series([document.version for document in documents], dtype=object),
        title_chars=integers(len(document.title.strip()) for document in documents),
        text_chars=integers(len(text.strip()) for text in texts),
        control_chars=integers(
            count_control(document.title) + count_control(text) for document, text in zip(documents, texts, strict=True)
        ),
    )


def frame_chunks(
    chunks: Sequence[Chunk], token_counts: Sequence[int], document_ids: set[str], n_vectors: int
) -> pd.DataFrame:
    """One row a chunk: id, size, and whether document, id and vector belong to it.

    Raises ValueError where there is not one token count a chunk.
    """
    if len(token_counts) != len(chunks):
        raise ValueError(f"{len(token_counts)} token counts for {len(chunks)} chunks")
    return frame(
        [chunk.id for chunk in chunks],
        document_known=booleans(chunk.document_id in document_ids for chunk in chunks),
        tokens=integers(token_counts),
        text_chars=integers(len(chunk.text.strip()) for chunk in chunks),
        control_chars=integers(count_control(chunk.embedded_text) for chunk in chunks),
        id_names_content=booleans(_ids_name_content(chunks)),
        has_vector=booleans(row < n_vectors for row in range(len(chunks))),
    )


def frame_vectors(chunks: Sequence[Chunk], vectors: NDArray[np.float32], fingerprint: str) -> pd.DataFrame:
    """One row a vector [n, dimension], named by the chunk in the same place: norm, dimension, stamp, oddities."""
    if vectors.ndim != 2:
        raise ValueError(f"expected vectors of shape [n, dimension], got {vectors.shape}")
    finite = np.asarray(np.isfinite(vectors).all(axis=1))
    any_set = np.asarray(vectors.any(axis=1))
    # Squares of float32 overflow; a norm of an infinite vector is not finite and is told by its own column.
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    return frame(
        [chunks[row].id if row < len(chunks) else None for row in range(len(vectors))],
        dimension=integers([vectors.shape[1]] * len(vectors)),
        finite=booleans(bool(value) for value in finite),
        zero=booleans(not value for value in any_set),
        norm=pd.Series(np.where(finite, norms, -1.0), dtype="float64"),
        own_vector=booleans(_have_own_vector(chunks, vectors)),
        fingerprint=pd.Series([fingerprint] * len(vectors), dtype=object),
    )


def frame(ids: Sequence[str | None], **columns: "pd.Series[Any]") -> pd.DataFrame:
    """The columns next to `row`, counted from 0, and `id`, which is None where it is empty."""
    shown = [None if value is None else value.encode("utf-8", "backslashreplace").decode() for value in ids]
    return pd.DataFrame(
        {"row": integers(range(len(ids))), "id": pd.Series([value or None for value in shown], dtype=object)} | columns
    )


def integers(values: Iterable[int]) -> "pd.Series[Any]":
    """A column of whole numbers, also without rows."""
    return pd.Series(list(values), dtype="int64")


def booleans(values: Iterable[bool]) -> "pd.Series[Any]":
    """A column of truth values, also without rows."""
    return pd.Series(list(values), dtype=bool)


def count_control(text: str) -> int:
    """Characters that no text should hold."""
    return len(_CONTROL.findall(text))


def _ids_name_content(chunks: Sequence[Chunk]) -> list[bool]:
    """Whether each id is what the chunker gives to this text as the next of its kind in its document."""
    earlier: Counter[tuple[str, str, str]] = Counter()
    result = []
    for chunk in chunks:
        content = (chunk.document_id, chunk.context, chunk.text)
        result.append(chunk.id == digest_of([*content, earlier[content]])[:ID_LENGTH])
        earlier[content] += 1
    return result


def _have_own_vector(chunks: Sequence[Chunk], vectors: NDArray[np.float32]) -> list[bool]:
    """False for each vector that chunks of different wording share, which is how a broken embedder shows."""
    by_vector: dict[bytes, list[int]] = defaultdict(list)
    for row in range(min(len(chunks), len(vectors))):
        by_vector[vectors[row].tobytes()].append(row)
    own = [True] * len(vectors)
    for rows in by_vector.values():
        if len(rows) > 1 and len({_wording(chunks[row].embedded_text) for row in rows}) > 1:
            for row in rows:
                own[row] = False
    return own


def _wording(text: str) -> str:
    """`text` as an uncased tokenizer may see it: without case, accents and the width of blanks."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return " ".join(plain.casefold().split())
