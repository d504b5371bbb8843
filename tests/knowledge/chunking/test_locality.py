import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lorag.integrations.models.embedder_tokenizer import EmbedderTokenizer
from lorag.knowledge.chunking import chunk_document
from lorag.knowledge.documents import Block, BlockKind, Chunk, Document
from lorag.params import ChunkingParams

MakeParams = Callable[..., ChunkingParams]
NEW_WORDS = ("controller", "latency", "shard", "queue", "budget", "webhook", "replica", "token", "seventeen", "never")
LOCAL_STRATEGIES = ("structure", "recursive", "sentence")

sentences = st.lists(st.sampled_from(NEW_WORDS), min_size=2, max_size=25).map(lambda words: " ".join(words) + ".")
body_blocks = st.builds(Block, st.sampled_from([BlockKind.PARAGRAPH, BlockKind.LIST, BlockKind.CODE]), sentences)
sections = st.lists(body_blocks, min_size=1, max_size=10)


def make_page(parts: list[list[Block]]) -> Document:
    blocks = [block for number, part in enumerate(parts) for block in (heading(number), *part)]
    return Document("page.md", "Page", tuple(blocks))


def heading(number: int) -> Block:
    return Block(BlockKind.HEADING, f"Part {number}", 2)


@pytest.mark.parametrize("strategy", [*LOCAL_STRATEGIES, "fixed"])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(parts=st.lists(sections, min_size=2, max_size=4), new=sections, data=st.data())
def test_a_change_in_one_section_leaves_the_others(
    strategy: str,
    parts: list[list[Block]],
    new: list[Block],
    data: st.DataObject,
    tokens: EmbedderTokenizer,
    make_params: MakeParams,
) -> None:
    changed = data.draw(st.integers(0, len(parts) - 1))
    params = make_params(strategy, 80)
    old = chunk_document(make_page(parts), params, tokens)
    now = chunk_document(make_page([*parts[:changed], new, *parts[changed + 1 :]]), params, tokens)
    context = f"Page > Part {changed}"
    assert [chunk for chunk in old if chunk.context != context] == [chunk for chunk in now if chunk.context != context]


def test_inserting_a_paragraph_does_not_push_the_later_cuts_along(
    tokens: EmbedderTokenizer, make_params: MakeParams
) -> None:
    rng = random.Random(5)
    vocabulary = [f"{left}{right}" for left in ("scale", "queue", "pod", "job", "metric") for right in range(60)]
    texts = [" ".join(rng.choices(vocabulary, k=rng.randint(8, 40))) + "." for _ in range(60)]
    for strategy in LOCAL_STRATEGIES:
        old, now = (
            chunk_document(
                make_page([[Block(BlockKind.PARAGRAPH, text) for text in each]]), make_params(strategy), tokens
            )
            for each in (texts, [*texts[:3], "A new remark about nothing in particular.", *texts[3:]])
        )
        kept = {chunk.id for chunk in old} & {chunk.id for chunk in now}
        assert len(old) > 10 and len(old) - len(kept) <= 2, strategy


# The shares are exact for this seed; what is missing are edits of a deciding word, or across the size limit.
@pytest.mark.parametrize(
    ("strategy", "count", "share"),
    [
        ("structure", 60, 0.98),
        ("recursive", 30, 0.93),
        ("sentence", 30, 0.93),
        pytest.param("structure", 300, 0.99, marks=pytest.mark.full),
        pytest.param("recursive", 100, 0.95, marks=pytest.mark.full),
        pytest.param("sentence", 100, 0.95, marks=pytest.mark.full),
    ],
)
def test_one_word_edits_of_real_paragraphs_change_one_chunk(
    strategy: str,
    count: int,
    share: float,
    keda: dict[str, Document],
    tokens: EmbedderTokenizer,
    make_params: MakeParams,
) -> None:
    params = make_params(strategy)
    edits = list(one_word_edits(keda, random.Random(7), count))
    assert sum(not changed_elsewhere(*edit, params, tokens) for edit in edits) / len(edits) >= share


def one_word_edits(
    keda: dict[str, Document], rng: random.Random, count: int
) -> Iterator[tuple[Document, Document, Block]]:
    places = [
        (name, index)
        for name, document in sorted(keda.items())
        for index, block in enumerate(document.blocks)
        if block.kind is BlockKind.PARAGRAPH
    ]
    for _ in range(count):
        name, index = rng.choice(places)
        document = keda[name]
        block = document.blocks[index]
        edited = replace(block, text=edit_one_word(block.text, rng))
        yield document, replace(document, blocks=with_block(document, index, edited)), block


def edit_one_word(text: str, rng: random.Random) -> str:
    """A word replaced, inserted or deleted."""
    words = list(re.finditer(r"\S+", text))
    word, new = rng.choice(words), rng.choice(NEW_WORDS)
    kind = rng.choice(["replace", "insert", "delete"] if len(words) > 1 else ["replace", "insert"])
    if kind == "insert":
        return f"{text[: word.start()]}{new} {text[word.start() :]}"
    if kind == "replace":
        return text[: word.start()] + new + text[word.end() :]
    return (text[: word.start()] + text[word.end() :].lstrip(" ")).rstrip()


def with_block(document: Document, index: int, block: Block) -> tuple[Block, ...]:
    return (*document.blocks[:index], block, *document.blocks[index + 1 :])


def changed_elsewhere(
    old: Document, new: Document, edited: Block, params: ChunkingParams, tokens: EmbedderTokenizer
) -> list[Chunk]:
    """Chunks that are gone although they hold nothing of the edited paragraph."""
    kept = {chunk.id for chunk in chunk_document(new, params, tokens)}
    gone = [chunk for chunk in chunk_document(old, params, tokens) if chunk.id not in kept]
    start = edited.text.strip()[:30]
    return [chunk for chunk in gone if start not in chunk.text and chunk.text[:30] not in edited.text]
