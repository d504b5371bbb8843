"""The way from a question to an answer, for each of the strategies."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lorag.answering.citations import Citation, find_support
from lorag.answering.context import condense
from lorag.answering.ending import ANSWER_ENDING, WholeSentences, finish_text, is_cut_off
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
"""The whole answer if the search found nothing to answer from."""

DECLINE = "I do not know."
"""The answer that an adapter learns to give if neither it nor the text that it reads has the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a strategy.

    `abstained` means that no model was asked. `supported` means that each sentence of the text has a citation; without
    it, the text may be wrong. `context` holds the ids of the chunks that the model read parts of, best first, and
    `read` the places in the text of each of them that were read.
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
    """The prompt for a model, and the passages that it reads, best first.

    Without messages there is nothing to answer from, and no model is asked.
    """

    question: str
    messages: tuple[Message, ...]
    passages: tuple[Passage, ...] = ()

    @property
    def links(self) -> frozenset[str]:
        """The links that an answer may contain."""
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
    """Answer a question; `on_text` gets the text: sentence by sentence from memory, at once if the model reads.

    `hits` come best first and are all relevant: without any, `rag` and `hybrid` say so and ask no model. `base` and
    `tuned` read no hits. `generator` has the adapter that a tuned or hybrid answer needs. `versions` maps document ids
    to document versions. A link stays only if a chunk that the model read contains it; that chunk is then cited.
    """
    prompt = make_prompt(question, strategy, [hit.chunk for hit in hits], generator, params, generation)
    show = on_text or (lambda piece: None)
    if not prompt.messages:
        show(NOTHING_FOUND)
        return nothing_found()
    raw: list[str] = []
    sentences = WholeSentences(show)

    def take(piece: str) -> None:
        raw.append(piece)
        if not strategy.profile.reads:
            sentences.feed(piece)

    links = LinkFilter(prompt.links, take)
    limit = generation.max_new_tokens
    written = drain(generator.stream(prompt.messages, max_new_tokens=limit, stop=ANSWER_ENDING), links.feed)
    links.finish()
    answer = _assemble("".join(raw), prompt, written, versions, params, limit)
    if strategy.profile.reads:
        show(answer.text)
    else:
        sentences.finish(cut_off=is_cut_off(written, limit))
    return answer


def make_prompt(
    question: str,
    strategy: Strategy,
    chunks: Sequence[Chunk],
    counter: CountsTokens,
    params: AnsweringParams,
    generation: GenerationParams,
) -> Prompt:
    """Make the prompt of the strategy; it reads those of `chunks`, best first, that fit, and is empty if none do."""
    if not strategy.profile.reads:
        return Prompt(question, tuple(closed_book_messages(question, strategy)))
    chosen = select_context(chunks, counter, params, generation)
    if not chosen:
        return Prompt(question, ())
    passages = read_passages(question, chosen, params)
    messages = rag_messages(question, [passage.text for passage in passages])
    return Prompt(question, tuple(messages), tuple(passages))


def nothing_found() -> Answer:
    """Return the answer to a prompt without messages."""
    return Answer(NOTHING_FOUND, (), False, True, (), 0, 0)


def assemble_answer(
    prompt: Prompt,
    written: Generation,
    versions: Mapping[str, str],
    params: AnsweringParams,
    generation: GenerationParams,
) -> Answer:
    """Return the answer that streaming the same text would have given."""
    raw = strip_links(written.text, prompt.links)
    return _assemble(raw, prompt, written, versions, params, generation.max_new_tokens)


def select_context(
    chunks: Sequence[Chunk], generator: CountsTokens, params: AnsweringParams, generation: GenerationParams
) -> list[Chunk]:
    """Return the chunks that fit `max_context_tokens` together, best first, at most `context_chunks`; maybe none."""
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
    """Return the passages that the model reads, best first: whole chunks, or the `context_sentences` closest ones."""
    if params.context_sentences is None:
        return [whole_passage(chunk) for chunk in chunks]
    return condense(question, chunks, params.context_sentences)


def _assemble(
    raw: str, prompt: Prompt, written: Generation, versions: Mapping[str, str], params: AnsweringParams, limit: int
) -> Answer:
    contexts = [passage.chunk.context for passage in prompt.passages]
    text = finish_text(raw, cut_off=is_cut_off(written, limit), contexts=contexts)
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
