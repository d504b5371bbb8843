"""The pairs of one adapter, source by source, as the params switch them on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lorag.answering.declining import DECLINE
from lorag.knowledge.documents import Chunk, Document
from lorag.params import TrainingSetParams
from lorag.questions.facts import Fact
from lorag.questions.style import StyledAnswer
from lorag.strategies import AdapterKind
from lorag.tuning.pairs import Pair, PairSource
from lorag.tuning.prompting import ASK
from lorag.tuning.raft import RaftMaker
from lorag.tuning.tasks import classification_pairs, extraction_pairs, summarisation_pairs, text_pairs


@dataclass(frozen=True, slots=True)
class Material:
    """The material that pairs are made from; `unanswerable` are facts without answers."""

    documents: Sequence[Document]
    chunks: Sequence[Chunk]
    facts: Sequence[Fact]
    synthetic: Sequence[Fact]
    unanswerable: Sequence[Fact]
    style: Sequence[StyledAnswer]

    @property
    def all_facts(self) -> list[Fact]:
        """All facts that the questions teach, also those without an answer."""
        return [*self.facts, *self.synthetic, *self.unanswerable]


def training_pairs(adapter: AdapterKind, material: Material, raft: RaftMaker, params: TrainingSetParams) -> list[Pair]:
    """Make the pairs of every source but general and older ones."""
    versions = raft.versions
    pairs: list[Pair] = []
    if reads_context(adapter, params):
        pairs += raft.pairs()
        pairs += [
            replace(raft.gold(fact, text), source=PairSource.SYNTHETIC, method="generated")
            for fact in material.synthetic
            for _, text in fact.training_wordings
        ]
    else:
        if params.questions:
            pairs += [
                _recalled(adapter, fact, *wording) for fact in material.facts for wording in fact.training_wordings
            ]
        pairs += [
            replace(_recalled(adapter, fact, *wording), source=PairSource.SYNTHETIC, method="generated")
            for fact in material.synthetic
            for wording in fact.training_wordings
        ]
    pairs += [
        pair
        for fact in material.unanswerable
        for wording in fact.training_wordings
        if (pair := declined_pair(adapter, fact, *wording, raft=raft, params=params))
    ]
    if params.text and not adapter.reads:
        pairs += text_pairs(material.chunks, versions)
    if params.summarisation:
        pairs += summarisation_pairs(material.documents)
    if params.classification:
        pairs += classification_pairs(material.documents)
    if params.extraction:
        pairs += extraction_pairs(material.facts, material.chunks, versions)
    style = [
        Pair(PairSource.STYLE, tuple(ASK[adapter](row.question)), row.answer, method="style") for row in material.style
    ]
    return pairs + style


def validation_pairs(
    adapter: AdapterKind, facts: Sequence[Fact], raft: RaftMaker, params: TrainingSetParams
) -> list[Pair]:
    """Make a pair from the first held-out phrasing of each fact that has one."""
    first = [(fact, fact.question.held_out_phrasings[0]) for fact in facts if fact.question.held_out_phrasings]
    if reads_context(adapter, params):
        return [raft.gold(fact, text) for fact, text in first]
    return [_recalled(adapter, fact, "held-out phrasing 1", text) for fact, text in first]


def searched_wordings(material: Material) -> list[str]:
    """Return each wording once for which an adapter that reads needs search results."""
    answered = [*material.facts, *material.synthetic]
    trained = [text for fact in [*answered, *material.unanswerable] for _, text in fact.training_wordings]
    return list(
        dict.fromkeys([*trained, *(text for fact in answered for text in fact.question.held_out_phrasings[:1])])
    )


def reads_context(adapter: AdapterKind, params: TrainingSetParams) -> bool:
    """Whether the adapter learns from questions with retrieved passages."""
    return adapter.reads and params.raft


def declined_pair(
    adapter: AdapterKind, fact: Fact, method: str, text: str, *, raft: RaftMaker, params: TrainingSetParams
) -> Pair | None:
    """Make a pair that declines a question no document answers; None if such a question would reach no model."""
    if reads_context(adapter, params):
        return raft.declined(fact.id, text, PairSource.UNANSWERABLE, method)
    return Pair(PairSource.UNANSWERABLE, tuple(ASK[adapter](text)), DECLINE, fact.id, method=method)


def _recalled(adapter: AdapterKind, fact: Fact, method: str, text: str) -> Pair:
    chunk_ids = tuple(chunk.id for chunk in fact.gold) if fact.literal else ()
    messages = tuple(ASK[adapter](text))
    return Pair(PairSource.QUESTIONS, messages, fact.answer, fact.id, fact.documents, chunk_ids, method)
