import time
from collections.abc import Callable

import pytest

from lorag.integrations.models.embedder_tokenizer import EmbedderTokenizer
from lorag.knowledge.chunking import chunk_document
from lorag.knowledge.documents import Block, BlockKind, Document
from lorag.params import ChunkingParams

MakeParams = Callable[..., ChunkingParams]
INPUTS: dict[str, tuple[BlockKind, Callable[[int], str]]] = {
    "one line without blanks": (BlockKind.PARAGRAPH, lambda size: "a" * size),
    "one line of punctuation": (BlockKind.PARAGRAPH, lambda size: "a.b-" * (size // 4)),
    "one line of words": (BlockKind.PARAGRAPH, lambda size: "word thing " * (size // 11)),
    "tiny lines": (BlockKind.PARAGRAPH, lambda size: "ab c\n" * (size // 5)),
    "tiny lines of code": (BlockKind.CODE, lambda size: "ab c\n" * (size // 5)),
    "blanks alone": (BlockKind.CODE, lambda size: f"a{' ' * size}b"),
}


@pytest.mark.parametrize("strategy", ["structure", "recursive", "sentence", "fixed"])
@pytest.mark.parametrize("name", INPUTS)
def test_large_inputs_give_bounded_chunks(
    name: str, strategy: str, tokens: EmbedderTokenizer, make_params: MakeParams
) -> None:
    check(name, 100_000, strategy, tokens, make_params)


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.parametrize("name", ["one line without blanks", "one line of words", "tiny lines"])
def test_the_largest_input_is_chunked_in_bounded_time(
    name: str, tokens: EmbedderTokenizer, make_params: MakeParams
) -> None:
    started = time.process_time()
    check(name, 5_000_000, "structure", tokens, make_params)
    assert time.process_time() - started < 45  # the check reads all chunks once more


def check(name: str, size: int, strategy: str, tokens: EmbedderTokenizer, make_params: MakeParams) -> None:
    kind, make_text = INPUTS[name]
    text = make_text(size)
    chunks = chunk_document(Document("large.txt", "Large", (Block(kind, text),)), make_params(strategy), tokens)
    assert sum(len("".join(chunk.text.split())) for chunk in chunks) == len("".join(text.split()))
    assert max(len(chunk.embedded_text) for chunk in chunks) <= 16 * 200
    for start in range(0, len(chunks), 1_000):
        assert max(tokens.count_many([chunk.embedded_text for chunk in chunks[start : start + 1_000]])) <= 200
