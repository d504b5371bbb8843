import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lorag.errors import GateRefused
from lorag.evaluation.validation import FailedExpectation, ValidationReport
from lorag.integrations.great_expectations import suites as great_expectations_suites
from lorag.integrations.great_expectations.suites import validate_corpus
from lorag.knowledge.chunking import chunk_document
from lorag.knowledge.documents import Block, BlockKind, Chunk, Document, Flag
from lorag.params import ChunkingParams

SECRET = "xylophone-ferret"
DIMENSION = 8
EXPECTED = SimpleNamespace(fingerprint="model-a", dimension=DIMENSION)


class _Words:
    """Counts words, plus one special token."""

    special_tokens = 1

    def count(self, text: str) -> int:
        return len(text.split()) + 1

    def count_many(self, texts: Any) -> list[int]:
        return [self.count(text) for text in texts]


@dataclass(frozen=True)
class _Corpus:
    documents: list[Document]
    chunks: list[Chunk]
    tokens: list[int]
    vectors: NDArray[np.float32]
    fingerprint: str = "model-a"

    def with_chunk(self, row: int, **changes: Any) -> "_Corpus":
        chunks = list(self.chunks)
        chunks[row] = replace(chunks[row], **changes)
        return replace(self, chunks=chunks)

    def with_vector(self, row: int, value: Any) -> "_Corpus":
        vectors = self.vectors.copy()
        vectors[row] = value
        return replace(self, vectors=vectors)


@pytest.fixture(scope="module")
def good() -> _Corpus:
    params = ChunkingParams(strategy="structure", max_tokens=40, min_tokens=4, overlap_tokens=0)  # type: ignore[arg-type]
    documents = [
        Document(
            f"doc-{number}.md",
            f"Title {number}",
            (
                Block(BlockKind.HEADING, "First", 1),
                Block(BlockKind.PARAGRAPH, f"{SECRET} number {number} says this and that about the weather"),
                Block(BlockKind.HEADING, "Second", 1),
                Block(BlockKind.PARAGRAPH, f"The boilerplate of {number} stands here."),
            ),
            flags={Flag.HIDDEN_TEXT: 2} if number == 0 else {},
        )
        for number in range(10)
    ]
    chunks = [chunk for document in documents for chunk in chunk_document(document, params, _Words())]
    vectors = np.random.default_rng(1).standard_normal((len(chunks), DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return _Corpus(documents, chunks, [len(chunk.embedded_text.split()) for chunk in chunks], vectors)


def _validate(corpus: _Corpus, out_dir: Path, **changes: Any) -> ValidationReport:
    arguments: dict[str, Any] = {
        "documents": corpus.documents,
        "chunks": corpus.chunks,
        "token_counts": corpus.tokens,
        "max_tokens": 40,
        "vectors": corpus.vectors,
        "fingerprint": corpus.fingerprint,
        "expected": EXPECTED,
        "out_dir": out_dir,
    }
    return validate_corpus(**arguments | changes)


def test_chunks_as_the_chunker_makes_them_pass(good: _Corpus, tmp_path: Path) -> None:
    report = _validate(good, tmp_path)

    assert [failure.line() for failure in report.failed] == []
    assert report.passed
    assert [(suite.name, suite.n_rows) for suite in report.suites] == [
        ("documents", 10),
        ("chunks", len(good.chunks)),
        ("embeddings", len(good.chunks)),
    ]
    assert report.flags == {"hidden_text": 1}
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(json.dumps(report.to_json()))


def test_empty_corpus_passes(tmp_path: Path) -> None:
    empty = _Corpus([], [], [], np.zeros((0, DIMENSION), np.float32))

    assert _validate(empty, tmp_path).passed


def _broken_document(corpus: _Corpus, **changes: Any) -> _Corpus:
    return replace(corpus, documents=[*corpus.documents[:-1], replace(corpus.documents[-1], **changes)])


def _text(text: str) -> tuple[Block, ...]:
    return (Block(BlockKind.PARAGRAPH, text),)


Break = Callable[[_Corpus], _Corpus]
BREAKS: list[tuple[str, str, Break, Callable[[_Corpus], str]]] = [
    ("documents.id", "unique", lambda c: _broken_document(c, id="doc-0.md"), lambda c: "doc-0.md"),
    ("documents.id", "null", lambda c: _broken_document(c, id=""), lambda c: "row 9"),
    ("documents.title_chars", "between", lambda c: _broken_document(c, title=" "), lambda c: "doc-9.md"),
    ("documents.text_chars", "between", lambda c: _broken_document(c, blocks=_text(" ")), lambda c: "doc-9.md"),
    ("documents.control_chars", "between", lambda c: _broken_document(c, blocks=_text("a\x07b")), lambda c: "doc-9.md"),
    ("chunks.id", "unique", lambda c: c.with_chunk(3, id=c.chunks[0].id), lambda c: c.chunks[0].id),
    ("chunks.id", "regex", lambda c: c.with_chunk(3, id="nonsense"), lambda c: "nonsense"),
    ("chunks.id_names_content", "set", lambda c: c.with_chunk(3, text="tampered"), lambda c: c.chunks[3].id),
    ("chunks.document_known", "set", lambda c: c.with_chunk(3, document_id="gone.md"), lambda c: c.chunks[3].id),
    ("chunks.text_chars", "between", lambda c: c.with_chunk(3, text="\n"), lambda c: c.chunks[3].id),
    ("chunks.control_chars", "between", lambda c: c.with_chunk(3, text="a\x1bb"), lambda c: c.chunks[3].id),
    ("chunks.tokens", "between", lambda c: replace(c, tokens=[0, *c.tokens[1:]]), lambda c: c.chunks[0].id),
    ("chunks.tokens", "between", lambda c: replace(c, tokens=[*c.tokens[:-1], 41]), lambda c: c.chunks[-1].id),
    ("chunks.has_vector", "set", lambda c: replace(c, vectors=c.vectors[:-1]), lambda c: c.chunks[-1].id),
    ("embeddings.finite", "set", lambda c: c.with_vector(2, np.nan), lambda c: c.chunks[2].id),
    ("embeddings.finite", "set", lambda c: c.with_vector(2, np.inf), lambda c: c.chunks[2].id),
    ("embeddings.zero", "set", lambda c: c.with_vector(2, 0), lambda c: c.chunks[2].id),
    ("embeddings.norm", "between", lambda c: c.with_vector(2, c.vectors[2] * 1.002), lambda c: c.chunks[2].id),
    ("embeddings.own_vector", "set", lambda c: c.with_vector(slice(0, 5), c.vectors[0]), lambda c: c.chunks[4].id),
    ("embeddings.fingerprint", "set", lambda c: replace(c, fingerprint="model-b"), lambda c: c.chunks[0].id),
    ("embeddings.dimension", "set", lambda c: replace(c, vectors=_narrow(c.vectors)), lambda c: c.chunks[0].id),
]


def _narrow(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    cut = vectors[:, :-1]
    return cut / np.linalg.norm(cut, axis=1, keepdims=True)


@pytest.mark.parametrize(("column", "rule", "break_it", "row"), BREAKS, ids=[f"{b[0]}-{b[1]}" for b in BREAKS])
def test_each_kind_of_bad_row_is_named(
    good: _Corpus, tmp_path: Path, column: str, rule: str, break_it: Break, row: Callable[[_Corpus], str]
) -> None:
    report = _validate(break_it(good), tmp_path)

    assert not report.passed
    found = [f for f in report.failed if f"{f.suite}.{f.column}" == column and rule in f.expectation]
    assert len(found) == 1, [failure.line() for failure in report.failed]
    assert row(good) in found[0].rows
    assert found[0].n_failed >= 1


def test_a_few_equal_vectors_are_let_pass_and_equal_wording_is_no_matter(good: _Corpus, tmp_path: Path) -> None:
    few = good.with_vector(slice(0, 2), good.vectors[0])
    assert _validate(few, tmp_path).passed

    shouted = [replace(good.chunks[0], text=good.chunks[0].text.upper() + " " * number) for number in range(5)]
    same = replace(good, chunks=[*shouted, *good.chunks[5:]]).with_vector(slice(0, 5), good.vectors[0])
    assert not [failure for failure in _validate(same, tmp_path).failed if failure.column == "own_vector"]


def test_count_of_vectors_must_match_both_ways(good: _Corpus, tmp_path: Path) -> None:
    more = replace(good, vectors=np.concatenate([good.vectors, good.vectors[:1]]))

    (failure,) = _validate(more, tmp_path).failed
    assert failure == FailedExpectation(
        "embeddings",
        "table_row_count_to_equal",
        "",
        0,
        (),
        f"expected {len(good.chunks)}, found {len(good.chunks) + 1}",
    )


def test_no_text_of_a_document_reaches_report_or_data_docs(good: _Corpus, tmp_path: Path) -> None:
    bad = _broken_document(good, blocks=_text(f"{SECRET}\x07"), title=f"{SECRET}\x07")
    bad = bad.with_chunk(3, text=f"{SECRET}\x07", context=SECRET)
    report = _validate(bad, tmp_path)

    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert bad.chunks[3].id in {row for failure in report.failed for row in failure.rows}
    assert bad.chunks[3].id in written, "positive control: the failing row stands in the files"
    assert SECRET not in written


def test_data_docs_need_no_network_and_say_the_same_for_the_same_data(good: _Corpus, tmp_path: Path) -> None:
    bad = good.with_vector(2, np.nan)
    for folder in ("one", "two"):
        _validate(bad, tmp_path / folder)

    pages = sorted((tmp_path / "one" / "data_docs").iterdir())
    assert [page.name for page in pages] == ["chunks.html", "documents.html", "embeddings.html", "index.html"]
    for page in pages:
        text = page.read_text()
        assert not re.findall(r"https?://|<script|@import|url\(", text)
        assert text == (tmp_path / "two" / "data_docs" / page.name).read_text()
    assert "1 unexpected values found" in (tmp_path / "one" / "data_docs" / "embeddings.html").read_text()
    assert good.chunks[2].id in (tmp_path / "one" / "data_docs" / "index.html").read_text()


def test_markup_in_an_id_stays_text(good: _Corpus, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    _validate(_broken_document(good, id=evil, title=""), tmp_path)

    index = (tmp_path / "data_docs" / "index.html").read_text()
    assert "<script" not in index
    assert "&lt;script&gt;" in index


def test_an_id_that_is_no_unicode_text_is_escaped(good: _Corpus, tmp_path: Path) -> None:
    report = _validate(_broken_document(good, id="caf\udce9.md", title=""), tmp_path)

    assert ("caf\\udce9.md",) in [failure.rows for failure in report.failed]


def test_an_expectation_that_cannot_be_evaluated_refuses(
    good: _Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _validate(good, tmp_path)
    monkeypatch.setattr(
        great_expectations_suites,
        "_expect_of_documents",
        lambda gxe: [gxe.ExpectColumnValuesToNotBeNull(column="no_such_column")],
    )
    with pytest.raises(GateRefused, match="no_such_column"):
        _validate(good, tmp_path)
    assert not (tmp_path / "report.json").exists(), "the report of the run before must not stand"


def test_a_crash_of_the_library_refuses(good: _Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(gxe: Any) -> list[Any]:
        return [SimpleNamespace(not_an="expectation")]

    monkeypatch.setattr(great_expectations_suites, "_expect_of_documents", explode)
    with pytest.raises(GateRefused, match="validation broke off"):
        _validate(good, tmp_path)


def test_wrong_shapes_are_refused_before_anything_runs(good: _Corpus, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="token counts"):
        _validate(good, tmp_path, token_counts=[1])
    with pytest.raises(ValueError, match="shape"):
        _validate(good, tmp_path, vectors=np.zeros(3, np.float32))
