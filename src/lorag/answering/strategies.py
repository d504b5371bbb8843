"""The way from a question to an answer, for each of the strategies."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lorag.answering.citations import Citation, Supported, cite, find_support
from lorag.answering.context import condense
from lorag.answering.declining import NOTHING_FOUND, is_declined
from lorag.answering.ending import ANSWER_ENDING, StableText, finish_text, is_cut_off
from lorag.answering.generator import CountsTokens, Generation, LanguageModel, Message, drain
from lorag.answering.identifiers import named_in
from lorag.answering.links import LinkFilter, links_in, strip_links
from lorag.answering.passages import Passage, Spans, whole_passage
from lorag.answering.prompts import closed_book_messages, rag_messages
from lorag.answering.qualifiers import has_qualifiers, is_opposite, tells_to_do
from lorag.answering.question_fit import answers
from lorag.answering.sentence_choice import choose_quote, rank_sentences
from lorag.answering.sentence_features import ChosenSentence, EmbedTexts
from lorag.answering.steps import asks_how, is_code
from lorag.answering.support import Verdict, judge_claim
from lorag.answering.tables import stated_by
from lorag.knowledge.documents import Chunk
from lorag.params import AnsweringParams, GenerationParams
from lorag.retrieval.index.store import Hit
from lorag.strategies import Strategy

logger = logging.getLogger(__name__)

_NEAREST = 2
"""The most documents that a declined answer names as a place to look."""


class AnswerKind(StrEnum):
    """Whose words an answer has: the model's, those of a passage, or none that answer."""

    GENERATED = "generated"
    QUOTED = "quoted"
    DECLINED = "declined"


class Reason(StrEnum):
    """Why an answer is not one of a model that a passage supports."""

    FROM_MEMORY = "from memory"
    NOT_SUPPORTED = "the model's words are not supported"
    NOTHING_FOUND = "nothing relevant was found"
    MODEL_DECLINED = "the model does not know"
    NOT_RETAINED = "no retained release reaches back"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a strategy.

    The text of a quoted answer is one or two sentences of what was found, or all steps of an instruction, word for word
    but for links that load something. `reason` is None for a generated answer that is supported. `supported` means that
    each sentence of the text has a citation; without it, the text may be wrong. `abstained` means that no model was
    asked. `context` holds the ids of the chunks that the model read parts of, best first, and `read` the places in the
    text of each of them that were read; a quote may come from another place of these chunks. `withheld` is what the
    model wrote, if it is not shown. `nearest` are the sentences that come nearest to a declined question, of different
    documents; they may answer it, and are shown as a place to look. `newer` maps documents that were found to later
    states of them that were found too.
    """

    text: str
    citations: tuple[Citation, ...]
    supported: bool
    abstained: bool
    context: tuple[str, ...]
    prompt_tokens: int
    generated_tokens: int
    read: tuple[Spans, ...] = ()
    kind: AnswerKind = AnswerKind.GENERATED
    reason: Reason | None = None
    withheld: str | None = None
    nearest: tuple[Citation, ...] = ()
    newer: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt for a model, the passages that it reads, and the chunks that may be quoted, best first.

    Those are the chunks of the passages, and all that were found if the question names an identifier.

    Without messages there is nothing to answer from, and no model is asked.
    """

    question: str
    messages: tuple[Message, ...]
    passages: tuple[Passage, ...] = ()
    chunks: tuple[Chunk, ...] = ()

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
    embed: EmbedTexts,
    on_text: Callable[[str], None] | None = None,
) -> Answer:
    """Answer a question; `on_text` gets the text: as `StableText` from memory, at once if the model reads.

    `hits` come best first and are all relevant: without any, `rag` and `hybrid` say so and ask no model. `base` and
    `tuned` read no hits. `generator` has the adapter that a tuned or hybrid answer needs. `versions` maps document ids
    to document versions. A link stays only if a chunk that the model read contains it; that chunk is then cited. If
    what a model wrote from passages is not supported by a sentence that fits the question, the sentences that `embed`
    helps to choose are quoted instead.
    """
    prompt = make_prompt(question, strategy, [hit.chunk for hit in hits], generator, params, generation)
    show = on_text or (lambda piece: None)
    if not prompt.messages:
        show(NOTHING_FOUND)
        return nothing_found()
    raw: list[str] = []
    stable = StableText(show)

    def take(piece: str) -> None:
        raw.append(piece)
        if not strategy.profile.reads:
            stable.feed(piece)

    links = LinkFilter(prompt.links, take)
    limit = generation.max_new_tokens
    written = drain(generator.stream(prompt.messages, max_new_tokens=limit, stop=ANSWER_ENDING), links.feed)
    links.finish()
    text = _finish("".join(raw), prompt, written, limit)
    answer = _assemble(text, prompt, written, versions, params, embed)
    if strategy.profile.reads:
        show(answer.text)
    else:
        stable.finish(cut_off=is_cut_off(written, limit))
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
    # The entry of a setting is often in a chunk that resembles the question less than others of its page.
    others = [chunk for chunk in chunks if chunk not in chosen] if named_in(question) else []
    return Prompt(question, tuple(messages), tuple(passages), (*chosen, *others))


def nothing_found() -> Answer:
    """Return the answer to a prompt without messages."""
    return Answer(NOTHING_FOUND, (), False, True, (), 0, 0, kind=AnswerKind.DECLINED, reason=Reason.NOTHING_FOUND)


def assemble_answer(
    prompt: Prompt,
    written: Generation,
    versions: Mapping[str, str],
    params: AnsweringParams,
    generation: GenerationParams,
    embed: EmbedTexts,
) -> Answer:
    """Return the answer that streaming the same text would have given."""
    text = _finish(strip_links(written.text, prompt.links), prompt, written, generation.max_new_tokens)
    return _assemble(text, prompt, written, versions, params, embed)


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


def _finish(raw: str, prompt: Prompt, written: Generation, limit: int) -> str:
    contexts = [passage.chunk.context for passage in prompt.passages]
    return finish_text(raw, cut_off=is_cut_off(written, limit), contexts=contexts)


def _assemble(
    text: str,
    prompt: Prompt,
    written: Generation,
    versions: Mapping[str, str],
    params: AnsweringParams,
    embed: EmbedTexts,
) -> Answer:
    said = Answer(
        text=text,
        citations=(),
        supported=False,
        abstained=False,
        context=tuple(passage.chunk.id for passage in prompt.passages),
        prompt_tokens=written.prompt_tokens,
        generated_tokens=written.generated_tokens,
        read=tuple(passage.spans for passage in prompt.passages),
    )
    is_without = is_declined(text)
    if not prompt.passages:
        if is_without:
            return replace(said, kind=AnswerKind.DECLINED, reason=Reason.MODEL_DECLINED)
        return replace(said, reason=Reason.FROM_MEMORY)
    ranked = rank_sentences(prompt.question, prompt.chunks, embed)
    said = replace(said, nearest=_nearest(ranked, versions))
    if is_without:
        return replace(said, kind=AnswerKind.DECLINED, reason=Reason.MODEL_DECLINED)
    support = find_support(text, prompt.question, prompt.passages, versions, params.min_support)
    # Where nothing fits well enough to be quoted, the model's words are as little an answer.
    if quote := choose_quote(prompt.question, ranked):
        if support.complete and any(_answers(each, prompt.question, ranked) for each in support.sentences):
            return replace(said, citations=support.citations, supported=True, nearest=())
        return _quote(said, quote, versions)
    reason = Reason.NOTHING_FOUND
    return replace(said, text=NOTHING_FOUND, kind=AnswerKind.DECLINED, reason=reason, withheld=text)


def _answers(sentence: Supported, question: str, ranked: Sequence[ChosenSentence]) -> bool:
    """Whether a supported sentence says no more than the sentence that answers the question best, and answers it."""
    cited = sentence.citation
    best = ranked[0]
    same = [each for each in ranked if each.chunk.id == cited.chunk_id and not each.field]
    before = max((each for each in same if each.end <= cited.start), key=lambda each: each.end, default=None)
    above = f"{cited.heading}\n{before.text if before else ''}"
    own = f"{cited.heading}\n{cited.quote}"
    said = cited.quote if best.field else stated_by(best.chunk.text, best.start, best.end)
    if not has_qualifiers(own, question) or is_opposite(cited.quote, question):
        return False
    if asks_how(question) and not tells_to_do(sentence.text):
        return False
    # What only the headings say is not stated by the sentence that is quoted for it.
    judged = judge_claim(sentence.text, question, said, "", 1.0)
    is_best = (cited.chunk_id, cited.field, cited.start) == (best.chunk.id, best.field, best.start)
    return is_best and judged.verdict is Verdict.STATED and answers(sentence.text, question, said, above)


def _quote(said: Answer, chosen: Sequence[ChosenSentence], versions: Mapping[str, str]) -> Answer:
    # The words of a document load nothing either: images and tags are left out of the text, not of the citation.
    texts = [strip_links(each.text, links_in([each.text])) for each in chosen]
    return replace(
        said,
        text=("\n" if any(_stands_on_a_line(text) for text in texts) else " ").join(texts),
        citations=tuple(cite(each.chunk, each.start, each.end, versions, each.field) for each in chosen),
        supported=True,
        kind=AnswerKind.QUOTED,
        reason=Reason.NOT_SUPPORTED,
        withheld=said.text,
        nearest=(),
    )


def _nearest(ranked: Sequence[ChosenSentence], versions: Mapping[str, str]) -> tuple[Citation, ...]:
    """Return the best sentence of each of the best two documents."""
    best = {each.chunk.document_id: each for each in reversed(ranked)}
    chosen = sorted(best.values(), key=lambda each: -each.score)[:_NEAREST]
    return tuple(cite(each.chunk, each.start, each.end, versions, each.field) for each in chosen)


def _stands_on_a_line(text: str) -> bool:
    """Whether a quoted text is a list item, a table row or code."""
    return "\n" in text or " | " in text or text.startswith(("-", "*", "|")) or is_code(text)
