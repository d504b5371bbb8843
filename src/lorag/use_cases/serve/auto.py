"""The choice of the strategy that answers a question, from an open release."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lorag.answering.generator import LanguageModel
from lorag.answering.routing import Signals, read_signals
from lorag.answering.sentence_features import EmbedTexts
from lorag.params import Params, Rewriting
from lorag.questions.questions import compose
from lorag.releases.record import Release
from lorag.retrieval.index.store import Filter, Hit
from lorag.retrieval.search import SearchResult
from lorag.strategies import READER, AdapterKind, Auto, Strategy
from lorag.use_cases.serve.kept_router import KeptRouter
from lorag.use_cases.serve.serve import Served, search_served

OpenModel = Callable[[AdapterKind | None], LanguageModel]
"""A function that opens the language model with an adapter of the release, or without one."""


@dataclass(frozen=True, slots=True)
class Routed:
    """The strategy that was chosen for a question, and why; `chances` are those to be right, empty without a choice.

    `compared` is the release whose comparison the router is from.
    """

    strategy: Strategy
    why: str
    chances: Mapping[Strategy, float]
    compared: str

    def to_json(self) -> dict[str, Any]:
        """Return the object `routed` of an answer."""
        return {"why": self.why, "chances": dict(self.chances), "compared": self.compared}


@dataclass(frozen=True, slots=True)
class Looked:
    """What was chosen, the relevant chunks if it was searched for them, and the release to answer from.

    The release remembers the vectors of what was embedded, which an answer would embed again.
    """

    routed: Routed
    hits: tuple[Hit, ...] | None
    served: Served


def choose_strategy(
    question: str, kept: KeptRouter, served: Served, open_model: OpenModel, params: Params, where: Filter = Filter()
) -> Looked:
    """Search for a question, and choose the strategy that answers it by the router of the release.

    Where the router does not serve, the best single strategy is chosen without a search.
    """
    if kept.reason is not None:
        why = f"{Auto.AUTO} chooses nothing here, because {kept.reason}"
        return Looked(Routed(kept.single, why, {}, kept.release), None, served)
    served = replace(served, searcher=replace(served.searcher, embed=Remembering(served.searcher.embed)))
    rewrites = params.search.rewriting is not Rewriting.NONE
    generator = open_model(READER.profile.adapter) if rewrites else None
    result = search_served(question, served, params, generator=generator, where=where)
    signals = signals_of(question, result, params, served.searcher.embed)
    hits = result.relevant(params.search.min_similarity)
    chances = kept.router.chances(signals)
    chosen = kept.router.choose(signals, knowing(chances, hits, served.release))
    return Looked(Routed(chosen, _why(chosen, chances), chances, kept.release), hits, served)


def signals_of(question: str, result: SearchResult, params: Params, embed: EmbedTexts) -> Signals:
    """Return the signals of a question from what serving would find."""
    hits = result.relevant(params.search.min_similarity)[: params.answering.context_chunks]
    return read_signals(compose(question), result.best_similarity, [hit.chunk for hit in hits], embed)


def knowing(strategies: Collection[Strategy], hits: Sequence[Hit], release: Release) -> frozenset[Strategy]:
    """Return the strategies without those whose adapter would answer from an outdated memory.

    That is so if it reads nothing, and was not trained on the document that was found first as it is now.
    """
    first = hits[0].chunk.document_id if hits else None
    now = release.documents.get(first) if first is not None else None

    def knows(strategy: Strategy) -> bool:
        kind = strategy.profile.adapter
        if kind is None or kind.reads or now is None or first is None:
            return True
        return release.adapters[kind].documents.get(first) == now.version

    return frozenset(filter(knows, strategies))


@dataclass(frozen=True, slots=True)
class Remembering:
    """An embedder that computes each text of one question only once."""

    embed: EmbedTexts
    _known: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `EmbedTexts`."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if missing:
            self._known.update(zip(missing, self.embed(missing), strict=True))
        return np.stack([self._known[text] for text in texts])


def _why(chosen: Strategy, chances: Mapping[Strategy, float]) -> str:
    order = sorted(chances, key=lambda each: (each is not chosen, -chances[each]))
    return f"the chances to be right on such a question: {', '.join(f'{each} {chances[each]:.0%}' for each in order)}"
