"""Point 16 of what strangers met: an index that grew by refreshes answers as one that was built at once.

Real texts in three versions each, in both stores: equal content digests, and the same ten hits for each question by
dense, by words and by both.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.models.cache import file_sha256
from lorag.integrations.models.embedder_tokenizer import load_token_counter
from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.models.files import resolve_model
from lorag.integrations.stores import open_store
from lorag.knowledge.documents import Document
from lorag.params import Params, RetrieverKind, StoreKind
from lorag.params_file import load_params
from lorag.releases.record import digest_rows
from lorag.retrieval.embed import embed_texts
from lorag.retrieval.index.store import IndexRef, IndexRow, IndexStore
from lorag.retrieval.plan import plan_refresh
from lorag.retrieval.search import Searcher
from lorag.use_cases.refresh.load_corpus import load_corpus
from lorag.use_cases.refresh.pipeline import chunk_corpus
from tests import servers

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared/data"
Versions = Callable[[Path, Params], tuple[list[tuple[Document, ...]], list[str]]]


def sample(folder: Path, params: Params) -> tuple[list[tuple[Document, ...]], list[str]]:
    found = [ROOT / "knowledge" / version for version in ("v1", "v2", "v3")]
    corpora = [load_corpus(version / "documents", params.knowledge).documents for version in found]
    return corpora, questions_in(found[-1] / "questions.jsonl")


def keda(folder: Path, params: Params) -> tuple[list[tuple[Document, ...]], list[str]]:
    place = shared("keda_2.13-2.15")
    corpora = [
        load_corpus(place / "versions" / version, params.knowledge).documents for version in ("2.13", "2.14", "2.15")
    ]
    return corpora, questions_in(place / "questions_derived.jsonl")


def wikipedia(folder: Path, params: Params) -> tuple[list[tuple[Document, ...]], list[str]]:
    place = shared("wikipedia_snapshots_a")
    by_version: dict[str, list[dict[str, str]]] = defaultdict(list)
    for line in (place / "documents.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        by_version[record["version"]].append({"id": record["page"], "title": record["title"], "text": record["text"]})
    corpora = []
    for version, records in sorted(by_version.items()):
        file = folder / version / "documents.jsonl"
        file.parent.mkdir()
        file.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
        corpora.append(load_corpus(file, params.knowledge).documents)
    return corpora, questions_in(place / "questions_derived.jsonl")


def in_fifty_steps(folder: Path, params: Params) -> tuple[list[tuple[Document, ...]], list[str]]:
    """The sample's three versions, of which some pages come with each of fifty refreshes."""
    corpora, questions = sample(folder, params)
    steps = [corpora[0]]
    for before, after in pairwise(corpora):
        old, new = ({document.id: document for document in corpus} for corpus in (before, after))
        names = sorted(old.keys() | new.keys())
        for done in range(1, 26):
            arrived = set(names[: len(names) * done // 25])
            mixed = {name: (new if name in arrived else old).get(name) for name in names}
            steps.append(tuple(document for document in mixed.values() if document is not None))
    return steps, questions


def shared(name: str) -> Path:
    if not (SHARED / name).is_dir():
        pytest.skip(f"the folder shared/data with {name} is not beside the project")
    return SHARED / name


def questions_in(path: Path) -> list[str]:
    texts = [json.loads(line)["question"] for line in path.read_text(encoding="utf-8").splitlines()]
    return [*dict.fromkeys(texts)]


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(ROOT / "params.yaml")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobCache]:
    with BlobCache(tmp_path_factory.mktemp("cache") / "cache.sqlite") as opened:
        yield opened


def rows_of(documents: Sequence[Document], params: Params, cache: BlobCache) -> list[IndexRow]:
    model = resolve_model(params.embedding.model)
    chunks = chunk_corpus(
        documents,
        params.chunking,
        load_token_counter(model),
        file_sha256(model / "tokenizer.json"),
        cache,
        lambda _: None,
    )
    embedder = open_embedder(params.embedding)
    texts = [chunk.embedded_text for chunk in chunks]
    vectors, _ = embed_texts(texts, embedder, cache, batch_tokens=params.embedding.batch_tokens)
    return [IndexRow(chunk, embedder.fingerprint, vector) for chunk, vector in zip(chunks, vectors, strict=True)]


def follow(store: IndexStore, versions: Sequence[Sequence[IndexRow]], name: str) -> IndexRef:
    """Bring an index to the last version by a refresh for each."""
    ref = None
    for generation, rows in enumerate(versions, start=1):
        by_id = {row.chunk.id: row for row in rows}
        known = store.entries(ref) if ref else {}
        plan = plan_refresh((row.chunk for row in rows), rows[0].fingerprint, known)
        ref = store.write_generation(ref, name, generation, [by_id[key] for key in plan.write], plan.delete)
    assert ref is not None
    return ref


def hits_of(
    store: IndexStore, ref: IndexRef, questions: Sequence[str], vectors: Mapping[str, np.ndarray], params: Params
) -> dict[str, list[list[tuple[str, float]]]]:
    """Return the ten hits of each question, by retriever."""
    searcher = Searcher(store, ref, lambda texts: np.stack([vectors[text] for text in texts]))
    found: dict[str, list[list[tuple[str, float]]]] = {}
    for kind in RetrieverKind:
        wide = params.search.model_copy(update={"retriever": kind, "top_k": 10, "max_per_document": 10})
        found[kind] = [
            [(hit.chunk.id, hit.score) for hit in searcher.search([question], wide).hits] for question in questions
        ]
    return found


@pytest.fixture(scope="module")
def weaviate_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    start = servers.infra_module("weaviate", "start")
    server = start.launch(servers.weaviate_binary(), tmp_path_factory.mktemp("weaviate"), api_key="grown")
    yield server.environment
    server.kill()


@pytest.mark.parametrize(
    ("versions", "n_questions", "stores"),
    [
        pytest.param(sample, 40, [StoreKind.LANCEDB], id="strangers-16: the sample in LanceDB"),
        pytest.param(sample, 200, [*StoreKind], id="strangers-16: the sample in both", marks=pytest.mark.full),
        pytest.param(in_fifty_steps, 200, [StoreKind.LANCEDB], id="fifty refreshes", marks=pytest.mark.full),
        pytest.param(keda, 200, [*StoreKind], id="strangers-16: keda", marks=pytest.mark.full),
        pytest.param(wikipedia, 200, [*StoreKind], id="strangers-16: Wikipedia", marks=pytest.mark.full),
    ],
)
def test_an_index_that_grew_answers_as_one_built_at_once_in_either_store(
    versions: Versions,
    n_questions: int,
    stores: Sequence[StoreKind],
    tmp_path: Path,
    params: Params,
    cache: BlobCache,
    request: pytest.FixtureRequest,
) -> None:
    corpora, asked = versions(tmp_path, params)
    questions = asked[:: max(1, len(asked) // n_questions)][:n_questions]
    assert len(questions) == n_questions
    rows = [rows_of(documents, params, cache) for documents in corpora]
    embedder = open_embedder(params.embedding)
    embedded, _ = embed_texts(questions, embedder, cache, batch_tokens=params.embedding.batch_tokens)
    vectors = dict(zip(questions, embedded, strict=True))
    answers = []
    for kind in stores:
        environment = {} if kind is StoreKind.LANCEDB else request.getfixturevalue("weaviate_environment")
        index = params.index.model_copy(update={"store": kind, "name": "grown"})
        store = open_store(index, tmp_path / kind, environment)
        try:
            for name, history in (("grown", rows), ("scratch", rows[-1:])):
                ref = follow(store, history, name)
                digest, _, count = digest_rows(store.rows(ref))
                assert count == len(rows[-1])
                answers.append((digest, hits_of(store, ref, questions, vectors, params)))
        finally:
            store.drop_all_but(())
            store.close()
    (digest, hits), *others = answers
    assert all(other == digest for other, _ in others)
    for kind in RetrieverKind:
        for other_hits in (found for _, found in others):
            assert [*map(names_of, other_hits[kind])] == [*map(names_of, hits[kind])]
    assert all(found[RetrieverKind.BM25] == hits[RetrieverKind.BM25] for _, found in others), "to the last digit"
    assert all(len(found) == 10 for found in hits[RetrieverKind.DENSE])


def names_of(hits: Sequence[tuple[str, float]]) -> list[str]:
    return [name for name, _ in hits]
