import re
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lorag.digests import digest_of
from lorag.integrations.models.embedder_tokenizer import EmbedderTokenizer
from lorag.knowledge.chunking import chunk_document
from lorag.knowledge.documents import Block, BlockKind, Chunk, Document
from lorag.params import ChunkingParams

MakeParams = Callable[..., ChunkingParams]
STRATEGIES = ("structure", "recursive", "sentence", "fixed")
BODY_KINDS = [kind for kind in BlockKind if kind is not BlockKind.HEADING]


def page(*blocks: Block, title: str = "Scaler") -> Document:
    return Document("docs/page.md", title, blocks, {"version": "2"})


def heading(text: str, level: int = 2) -> Block:
    return Block(BlockKind.HEADING, text, level)


def paragraph(text: str) -> Block:
    return Block(BlockKind.PARAGRAPH, text)


def words(count: int, word: str = "word") -> str:
    return " ".join(f"{word}{number}" for number in range(count))


def assert_within(chunks: list[Chunk], max_tokens: int, tokens: EmbedderTokenizer) -> None:
    for chunk, count in zip(chunks, tokens.count_many([chunk.embedded_text for chunk in chunks]), strict=True):
        assert count <= max_tokens, (count, chunk)
        assert len(chunk.embedded_text) <= 16 * max_tokens


def assert_nothing_lost(document: Document, chunks: list[Chunk]) -> None:
    """Each character of the body that is not blank stands in the chunks, in order; repetitions may stand between."""
    body = "".join("".join(block.text.split()) for block in document.blocks if block.kind is not BlockKind.HEADING)
    found = iter("".join("".join(chunk.text.split()) for chunk in chunks))
    assert all(character in found for character in body)


text_lines = st.text(
    st.sampled_from("aAbé .!?:,-*|#\n\t`\u00a0知識。ก\ud800\u200b😀") | st.characters(), min_size=0, max_size=60
)
natural_lines = st.lists(
    st.sampled_from(["Set", "the", "queueLength", "to", "5.", "Then", "wait:", "- item", "x" * 130])
)
block_texts = st.lists(text_lines | natural_lines.map(" ".join), max_size=12).map("\n".join)
blocks = st.builds(Block, st.sampled_from(BODY_KINDS), block_texts) | st.builds(
    Block, st.just(BlockKind.HEADING), text_lines | st.just(words(40)), st.integers(1, 6)
)
documents = st.builds(page, title=text_lines).flatmap(
    lambda empty: st.lists(blocks, max_size=14).map(lambda found: page(*found, title=empty.title))
)
sizes = st.tuples(st.integers(16, 120), st.integers(0, 1000), st.integers(0, 1000))


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=documents, size=sizes)
def test_chunks_fit_and_hold_the_whole_body(
    strategy: str, document: Document, size: tuple[int, int, int], tokens: EmbedderTokenizer, make_params: MakeParams
) -> None:
    max_tokens = size[0]
    params = make_params(strategy, max_tokens, size[1] % max_tokens, size[2] % max_tokens)
    chunks = chunk_document(document, params, tokens)
    assert_within(chunks, max_tokens, tokens)
    assert_nothing_lost(document, chunks)
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    assert all(chunk.text.strip() for chunk in chunks)
    assert bool(chunks) == bool(document.text.strip())
    assert chunks == chunk_document(document, params, tokens)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("max_tokens", [64, 200])
def test_real_pages_fit_and_lose_nothing(
    strategy: str, max_tokens: int, keda: dict[str, Document], tokens: EmbedderTokenizer, make_params: MakeParams
) -> None:
    params = make_params(strategy, max_tokens)
    for document in list(keda.values())[::4]:
        chunks = chunk_document(document, params, tokens)
        assert_within(chunks, max_tokens, tokens)
        assert_nothing_lost(document, chunks)
        shown = " ".join(chunk.embedded_text for chunk in chunks)
        for block in document.blocks:
            assert block.kind is not BlockKind.HEADING or " ".join(block.text.split()) in shown


def test_real_pages_give_chunks_worth_searching(
    keda: dict[str, Document], tokens: EmbedderTokenizer, make_params: MakeParams
) -> None:
    started = time.process_time()
    chunks = [chunk for document in keda.values() for chunk in chunk_document(document, make_params(), tokens)]
    assert time.process_time() - started < 3
    counts = tokens.count_many([chunk.embedded_text for chunk in chunks])
    assert sum(60 <= count <= 200 for count in counts) / len(counts) > 0.8
    assert sum(count < 32 for count in counts) / len(counts) < 0.05


def test_an_id_names_document_context_text_and_repetition(tokens: EmbedderTokenizer, make_params: MakeParams) -> None:
    document = page(heading("Notes"), paragraph("Same."), heading("Notes"), paragraph("Same."))
    chunks = chunk_document(document, make_params(), tokens)
    assert [chunk.id for chunk in chunks] == [
        digest_of(["docs/page.md", "Scaler > Notes", "Same.", number])[:32] for number in (0, 1)
    ]
    assert all(chunk.metadata == {"version": "2"} and chunk.document_id == "docs/page.md" for chunk in chunks)


@pytest.mark.parametrize(
    ("title", "headings", "context"),
    [
        ("Scaler", [("Setup", 1), ("Auth", 2)], "Scaler > Setup > Auth"),
        ("Scaler", [("Scaler", 1), ("Auth", 2)], "Scaler > Auth"),
        ("", [("Setup", 1), ("Auth", 2)], "Setup > Auth"),
        ("Scaler", [("Old", 2), ("Older", 3), ("New", 2)], "Scaler > New"),
        ("Scaler", [("Deep", 4), ("Up", 2)], "Scaler > Up"),
        ("Scaler", [("Two\n lines", 2)], "Scaler > Two lines"),
        ("", [], ""),
    ],
)
def test_the_context_is_the_path_of_headings(
    title: str, headings: list[tuple[str, int]], context: str, tokens: EmbedderTokenizer, make_params: MakeParams
) -> None:
    document = page(*(heading(*each) for each in headings), paragraph("Text."), title=title)
    assert chunk_document(document, make_params(), tokens)[-1].context == context


def test_a_long_path_keeps_title_and_last_heading(tokens: EmbedderTokenizer, make_params: MakeParams) -> None:
    path = [heading(words(4, name), level) for level, name in enumerate(("alpha", "beta", "gamma"), 1)]
    document = page(*path, paragraph(words(30)))
    chunks = chunk_document(document, make_params(max_tokens=45), tokens)
    assert {chunk.context for chunk in chunks if "word" in chunk.text} == {"Scaler > gamma0 gamma1 gamma2 gamma3"}
    shown = " ".join(chunk.embedded_text for chunk in chunks)
    assert "alpha0 alpha1 alpha2 alpha3" in shown and "beta0 beta1 beta2 beta3" in shown


def test_a_heading_too_long_for_the_context_opens_its_section(
    tokens: EmbedderTokenizer, make_params: MakeParams
) -> None:
    long = words(50)
    chunks = chunk_document(page(heading(long), paragraph("Body.")), make_params(), tokens)
    assert " ".join(chunk.text for chunk in chunks).startswith(long)
    assert all(tokens.count(chunk.context) - 2 <= 200 // 3 for chunk in chunks)


def test_a_heading_with_nothing_below_is_text_of_its_own(tokens: EmbedderTokenizer, make_params: MakeParams) -> None:
    document = page(heading("Setup"), paragraph("Body."), heading("Roadmap"))
    chunks = chunk_document(document, make_params(), tokens)
    assert [(chunk.context, chunk.text) for chunk in chunks] == [("Scaler > Setup", "Body."), ("Scaler", "Roadmap")]


def test_a_page_of_headings_alone_can_be_found(tokens: EmbedderTokenizer, make_params: MakeParams) -> None:
    chunks = chunk_document(page(heading("One"), heading("Two"), paragraph(" ")), make_params(), tokens)
    assert [(chunk.context, chunk.text) for chunk in chunks] == [("Scaler", "One\nTwo")]


def test_a_document_without_text_gives_nothing(tokens: EmbedderTokenizer, make_params: MakeParams) -> None:
    assert chunk_document(page(), make_params(), tokens) == []
    assert chunk_document(page(paragraph(" \n"), heading("")), make_params(), tokens) == []


def test_an_introduction_stays_with_its_list(tokens: EmbedderTokenizer, make_params: MakeParams) -> None:
    steps = Block(BlockKind.LIST, "\n".join(f"- step {number} of this" for number in range(6)))
    document = page(paragraph(words(60)), paragraph("Do the following:"), steps, paragraph(words(60, "after")))
    holding = [chunk for chunk in chunk_document(document, make_params(), tokens) if "- step 0" in chunk.text]
    assert "Do the following:" in holding[0].text and "- step 5" in holding[0].text


def test_a_cut_table_repeats_its_header(tokens: EmbedderTokenizer, make_params: MakeParams) -> None:
    rows = [f"key{number} | {words(8)}" for number in range(40)]
    chunks = chunk_document(page(Block(BlockKind.TABLE, "\n".join(["name | meaning", *rows]))), make_params(), tokens)
    assert len(chunks) > 3
    assert all(chunk.text.startswith("name | meaning\nkey") for chunk in chunks)
    assert [row for chunk in chunks for row in chunk.text.split("\n")[1:]] == rows


def test_a_cut_list_keeps_its_items_whole(tokens: EmbedderTokenizer, make_params: MakeParams) -> None:
    items = [f"- {words(12)}\n  - nested {words(5)}" for _ in range(20)]
    chunks = chunk_document(page(Block(BlockKind.LIST, "\n".join(items))), make_params(), tokens)
    assert len(chunks) > 3 and all(chunk.text.startswith("- word0") for chunk in chunks)
    assert "\n".join(chunk.text for chunk in chunks) == "\n".join(items)


def test_cut_code_keeps_its_indentation(tokens: EmbedderTokenizer, make_params: MakeParams) -> None:
    code = "\n".join(f"  - name: trigger{number}\n    type: queue\n" for number in range(60)).rstrip()
    chunks = chunk_document(page(Block(BlockKind.CODE, code)), make_params(), tokens)
    assert len(chunks) > 3 and all(chunk.text.startswith("  - name") for chunk in chunks)


def test_a_long_paragraph_is_cut_between_sentences(tokens: EmbedderTokenizer, make_params: MakeParams) -> None:
    said = "says e.g. Kafka of William E. Simon has"
    text = " ".join(f"Sentence {number} {said} {words(6)}." for number in range(30))
    for strategy in ("structure", "recursive", "sentence"):
        chunks = chunk_document(page(paragraph(text)), make_params(strategy), tokens)
        assert len(chunks) > 2
        assert all(re.match(r"Sentence \d+ says", chunk.text) and chunk.text.endswith(".") for chunk in chunks)


@pytest.mark.parametrize("strategy", ["recursive", "fixed"])
def test_overlap_repeats_the_last_words(strategy: str, tokens: EmbedderTokenizer, make_params: MakeParams) -> None:
    document = page(paragraph(" ".join(f"Number {number} is here." for number in range(150))))
    chunks = chunk_document(document, make_params(strategy, overlap=20), tokens)
    for before, after in zip(chunks, chunks[1:], strict=False):
        shared = max(size for size in range(len(after.text)) if before.text.endswith(after.text[:size]))
        assert 10 <= tokens.count(after.text[:shared]) - 2 <= 20
    plain = chunk_document(document, make_params(strategy), tokens)
    assert " ".join(chunk.text for chunk in plain) == document.text


def test_fixed_windows_start_again_at_each_heading(tokens: EmbedderTokenizer, make_params: MakeParams) -> None:
    document = page(heading("One"), paragraph(words(150)), heading("Two"), paragraph(words(150, "other")))
    chunks = chunk_document(document, make_params("fixed"), tokens)
    assert [chunk.text.split()[0] for chunk in chunks if chunk.context.endswith("Two")][0] == "other0"
    assert not any("word" in chunk.text and "other" in chunk.text for chunk in chunks)


def test_a_long_title_without_blanks_is_shortened(tokens: EmbedderTokenizer, make_params: MakeParams) -> None:
    chunks = chunk_document(page(paragraph("Text."), title="知識庫更新" * 30), make_params(), tokens)
    assert chunks[0].context.startswith("知識庫更新") and 50 <= tokens.count(chunks[0].context) - 2 <= 66
