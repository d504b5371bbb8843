"""From a question to an answer, by each of the strategies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lorag.answering.citations import Citation, find_support
from lorag.answering.context import condense
from lorag.answering.generator import CountsTokens, LanguageModel, Message, drain
from lorag.answering.links import LinkFilter, links_in
from lorag.answering.prompts import base_messages, rag_messages, tuned_messages
from lorag.errors import ParamsError
from lorag.knowledge.documents import Chunk
from lorag.params import AnsweringParams, GenerationParams, Strategy
from lorag.retrieval.index.store import Hit

NOTHING_FOUND = "Nothing relevant was found in the knowledge base."
"""The whole answer where the search found nothing to answer from."""

DECLINE = "I do not know."
"""What an adapter is trained to say where neither it nor the text that it reads holds the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a strategy answers.

    `abstained` means that no model was asked. `supported` means that each sentence of the text has a citation; without
    it, what the text says may be wrong. `context` holds the ids of the chunks that the model read, best first.
    """

    text: str
    citations: tuple[Citation, ...]
    supported: bool
    abstained: bool
    context: tuple[str, ...]
    prompt_tokens: int
    generated_tokens: int


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
    if strategy in ("base", "tuned"):
        asked = base_messages(question) if strategy == "base" else tuned_messages(question)
        return _generate(question, asked, [], generator, versions, params, generation, on_text)
    if not hits:
        if on_text is not None:
            on_text(NOTHING_FOUND)
        return Answer(NOTHING_FOUND, (), False, True, (), 0, 0)
    chunks = select_context([hit.chunk for hit in hits], generator, params, generation)
    messages = rag_messages(question, read_passages(question, chunks, params))
    return _generate(question, messages, chunks, generator, versions, params, generation, on_text)


def select_context(
    chunks: Sequence[Chunk], generator: CountsTokens, params: AnsweringParams, generation: GenerationParams
) -> list[Chunk]:
    """The best chunks that fit `max_context_tokens` together, best first, at most `context_chunks`."""
    chosen: list[Chunk] = []
    left = generation.max_context_tokens
    for chunk in chunks[: params.context_chunks]:
        cost = generator.count_tokens(chunk.embedded_text)
        if cost <= left:
            chosen.append(chunk)
            left -= cost
    if not chosen:
        raise ParamsError(
            f"no chunk fits into {generation.max_context_tokens} tokens of context",
            where="generation.max_context_tokens",
            do="raise it, or lower chunking.max_tokens",
        )
    return chosen


def read_passages(question: str, chunks: Sequence[Chunk], params: AnsweringParams) -> list[str]:
    """What the model reads of the chunks, best first: all, or the `context_sentences` closest to the question."""
    if params.context_sentences is None:
        return [chunk.embedded_text for chunk in chunks]
    return condense(question, chunks, params.context_sentences)


def _generate(
    question: str,
    messages: Sequence[Message],
    chunks: Sequence[Chunk],
    generator: LanguageModel,
    versions: Mapping[str, str],
    params: AnsweringParams,
    generation: GenerationParams,
    on_text: Callable[[str], None] | None,
) -> Answer:
    shown: list[str] = []

    def show(piece: str) -> None:
        shown.append(piece)
        if on_text is not None:
            on_text(piece)

    links = LinkFilter(links_in(chunk.text for chunk in chunks), show)
    written = drain(generator.stream(messages, max_new_tokens=generation.max_new_tokens), links.feed)
    links.finish()
    text = "".join(shown).strip()
    support = find_support(text, question, chunks, versions, params.min_support)
    return Answer(
        text=text,
        citations=support.citations,
        supported=support.complete,
        abstained=False,
        context=tuple(chunk.id for chunk in chunks),
        prompt_tokens=written.prompt_tokens,
        generated_tokens=written.generated_tokens,
    )
