"""From a question to an answer, by each of the strategies."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lorag.answering.citations import Citation, find_support
from lorag.answering.context import condense
from lorag.answering.generator import CountsTokens, Generation, LanguageModel, Message, drain
from lorag.answering.links import LinkFilter, links_in, strip_links
from lorag.answering.passages import Passage, Spans, whole_passage
from lorag.answering.prompts import closed_book_messages, rag_messages
from lorag.knowledge.documents import Chunk
from lorag.params import AnsweringParams, GenerationParams
from lorag.retrieval.index.store import Hit
from lorag.strategies import Strategy

logger = logging.getLogger(__name__)

NOTHING_FOUND = "Nothing relevant was found in the knowledge base."
"""The whole answer where the search found nothing to answer from."""

DECLINE = "I do not know."
"""What an adapter is trained to say where neither it nor the text that it reads holds the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a strategy answers.

    `abstained` means that no model was asked. `supported` means that each sentence of the text has a citation; without
    it, what the text says may be wrong. `context` holds the ids of the chunks that the model read of, best first, and
    `read` for each of them the places in its text that were read.
    """

    text: str
    citations: tuple[Citation, ...]
    supported: bool
    abstained: bool
    context: tuple[str, ...]
    prompt_tokens: int
    generated_tokens: int
    read: tuple[Spans, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked, and the passages that it reads, best first.

    Without messages there is nothing to answer from, and no model is asked.
    """

    question: str
    messages: tuple[Message, ...]
    passages: tuple[Passage, ...] = ()

    @property
    def links(self) -> frozenset[str]:
        """Those that an answer may hold."""
        return links_in(passage.text for passage in self.passages)


def answer_question(
    question: str,
    strategy: Strategy,
    *,
    generator: LanguageModel,
    hits: Sequence[Hit],
    versions: Mapping[str, str],
    params: AnsweringParams,
    generation: GenerationParams,
    on_text: Callable[[str], None] | None = None,
) -> Answer:
    """The answer; `on_text` gets its text piece by piece.

    `hits` come best first and are all relevant: with none, `rag` and `hybrid` say so and ask no model. `base` and
    `tuned` read no hits. `generator` has the adapter that a tuned or hybrid answer needs.
    `versions` maps document ids to document versions. A link stays only where a chunk that the model read
    holds it, which is then cited.
    """
    prompt = make_prompt(question, strategy, [hit.chunk for hit in hits], generator, params, generation)
    shown: list[str] = []

    def show(piece: str) -> None:
        shown.append(piece)
        if on_text is not None:
            on_text(piece)

    if not prompt.messages:
        show(NOTHING_FOUND)
        return nothing_found()
    links = LinkFilter(prompt.links, show)
    written = drain(generator.stream(prompt.messages, max_new_tokens=generation.max_new_tokens), links.feed)
    links.finish()
    return _assemble("".join(shown), prompt, written, versions, params)


def make_prompt(
    question: str,
    strategy: Strategy,
    chunks: Sequence[Chunk],
    counter: CountsTokens,
    params: AnsweringParams,
    generation: GenerationParams,
) -> Prompt:
    """What the strategy asks a model; of `chunks`, best first, it reads those that fit, and asks nothing with none."""
    if not strategy.profile.reads:
        return Prompt(question, tuple(closed_book_messages(question, strategy)))
    chosen = select_context(chunks, counter, params, generation)
    if not chosen:
        return Prompt(question, ())
    passages = read_passages(question, chosen, params)
    messages = rag_messages(question, [passage.text for passage in passages])
    return Prompt(question, tuple(messages), tuple(passages))


def nothing_found() -> Answer:
    """The answer to a prompt without messages."""
    return Answer(NOTHING_FOUND, (), False, True, (), 0, 0)


def assemble_answer(
    prompt: Prompt, written: Generation, versions: Mapping[str, str], params: AnsweringParams
) -> Answer:
    """The answer that streaming the same text would have given."""
    return _assemble(strip_links(written.text, prompt.links), prompt, written, versions, params)


def select_context(
    chunks: Sequence[Chunk], generator: CountsTokens, params: AnsweringParams, generation: GenerationParams
) -> list[Chunk]:
    """The best chunks that fit `max_context_tokens` together, best first, at most `context_chunks`; maybe none."""
    chosen: list[Chunk] = []
    left = generation.max_context_tokens
    for chunk in chunks[: params.context_chunks]:
        cost = generator.count_tokens(chunk.embedded_text)
        if cost <= left:
            chosen.append(chunk)
            left -= cost
    if chunks and not chosen:
        logger.warning(
            "no chunk fits into %d tokens of context: raise generation.max_context_tokens or lower chunking.max_tokens",
            generation.max_context_tokens,
        )
    return chosen


def read_passages(question: str, chunks: Sequence[Chunk], params: AnsweringParams) -> list[Passage]:
    """What the model reads of the chunks, best first: all, or the `context_sentences` closest to the question."""
    if params.context_sentences is None:
        return [whole_passage(chunk) for chunk in chunks]
    return condense(question, chunks, params.context_sentences)


def _assemble(
    shown: str, prompt: Prompt, written: Generation, versions: Mapping[str, str], params: AnsweringParams
) -> Answer:
    text = shown.strip()
    support = find_support(text, prompt.question, prompt.passages, versions, params.min_support)
    return Answer(
        text=text,
        citations=support.citations,
        supported=support.complete,
        abstained=False,
        context=tuple(passage.chunk.id for passage in prompt.passages),
        prompt_tokens=written.prompt_tokens,
        generated_tokens=written.generated_tokens,
        read=tuple(passage.spans for passage in prompt.passages),
    )
