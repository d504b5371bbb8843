"""Documents, chunks and vectors as tables of derived columns for Great Expectations.

No column holds text: the Data Docs show values of failing rows, so text of a removed document would stay there.
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
    """Return one row per document: id, version, lengths in characters, number of control characters."""
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
    """Return one row per chunk: id, size, and whether its document, id and vector belong to it.

    Raises ValueError if there is not exactly one token count per chunk.
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
    """Return one row per vector [n, dimension]: norm, dimension, fingerprint and anomalies.

    Each row has the id of the chunk at the same position. Raises ValueError if `vectors` has another shape.
    """
    if vectors.ndim != 2:
        raise ValueError(f"expected vectors of shape [n, dimension], got {vectors.shape}")
    finite = np.asarray(np.isfinite(vectors).all(axis=1))
    any_set = np.asarray(vectors.any(axis=1))
    # Squares of float32 overflow, hence float64. A vector that is not finite fails in the column `finite`.
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
    """Return a table of `row` (counted from 0), `id` (None if it is empty) and the given columns."""
    shown = [None if value is None else value.encode("utf-8", "backslashreplace").decode() for value in ids]
    return pd.DataFrame(
        {"row": integers(range(len(ids))), "id": pd.Series([value or None for value in shown], dtype=object)} | columns
    )


def integers(values: Iterable[int]) -> "pd.Series[Any]":
    """Return a column of integers, also if there are no rows."""
    return pd.Series(list(values), dtype="int64")


def booleans(values: Iterable[bool]) -> "pd.Series[Any]":
    """Return a column of booleans, also if there are no rows."""
    return pd.Series(list(values), dtype=bool)


def count_control(text: str) -> int:
    """Return the number of control characters, which no text should contain."""
    return len(_CONTROL.findall(text))


def _ids_name_content(chunks: Sequence[Chunk]) -> list[bool]:
    """Return for each id whether the chunker gives it to this text.

    Repeats of a text in one document are numbered, so their order counts.
    """
    earlier: Counter[tuple[str, str, str]] = Counter()
    result = []
    for chunk in chunks:
        content = (chunk.document_id, chunk.context, chunk.text)
        result.append(chunk.id == digest_of([*content, earlier[content]])[:ID_LENGTH])
        earlier[content] += 1
    return result


def _have_own_vector(chunks: Sequence[Chunk], vectors: NDArray[np.float32]) -> list[bool]:
    """Return False for each vector that chunks with different wording share: the sign of a broken embedder."""
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
    """Return `text` as an uncased tokenizer may see it: without case and accents, with single spaces."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return " ".join(plain.casefold().split())
