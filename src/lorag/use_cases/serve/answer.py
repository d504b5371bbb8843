"""The command `lorag ask` in a workspace."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lorag.answering.disagreement import QuotedFrom, find_disagreement
from lorag.answering.generator import LanguageModel
from lorag.answering.strategies import Answer
from lorag.costs.records import Cost
from lorag.errors import LoragError, ParamsError
from lorag.integrations.machine.cost_meter import CostMeter
from lorag.integrations.machine.gpu_energy import count_held_gpus
from lorag.integrations.models.generators import open_generator
from lorag.params import Params
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.index.store import Filter, Hit
from lorag.strategies import AdapterKind, Auto, Requested, Strategy
from lorag.use_cases.serve.auto import OpenModel, Routed, choose_strategy
from lorag.use_cases.serve.candidates import FoundAdapter, find_adapter
from lorag.use_cases.serve.cited_pages import CitedPage, SourceState, look_up_pages
from lorag.use_cases.serve.kept_router import KeptRouter, read_router
from lorag.use_cases.serve.serve import Served, answer_from, open_adapter, open_served
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class AnswerResult:
    """An answer with its release and its cost, which includes opening models and index.

    `adapter` is the id of the adapter that answered, None without one. `adapter_served` says whether it is the one
    that the release serves. `pages` are the answer's citations, in their order, with the age of their pages.
    `release_served` is false for an answer from another release than the one in service. `routed` says why this
    strategy answered; None if it was asked for by name.
    """

    question: str
    strategy: Strategy
    answer: Answer
    release: str
    fell_back_from: str | None
    cost: Cost
    adapter: str | None = None
    adapter_served: bool | None = None
    pages: tuple[CitedPage, ...] = ()
    release_served: bool = True
    routed: Routed | None = None

    @property
    def changed_since(self) -> bool:
        """Whether a cited page is known to have changed in the source, or to be gone, since the release."""
        return any(page.source in (SourceState.CHANGED, SourceState.REMOVED) for page in self.pages)

    @property
    def differing(self) -> tuple[int, int] | None:
        """The numbers, from 1, of two citations of different pages that give different values; None if none do."""
        quotes = [
            QuotedFrom(page.citation.document_id, page.citation.heading, page.citation.quote) for page in self.pages
        ]
        found = find_disagreement(self.question, quotes)
        return (found[0] + 1, found[1] + 1) if found else None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag ask --json` prints."""
        return {
            "question": self.question,
            "strategy": self.strategy,
            "routed": self.routed.to_json() if self.routed else None,
            "answer": self.answer.text,
            "kind": self.answer.kind,
            "reason": self.answer.reason,
            "withheld": self.answer.withheld,
            "abstained": self.answer.abstained,
            "supported": self.answer.supported,
            "citations": [page.to_json() for page in self.pages],
            "differing": self.differing,
            "changed_since": self.changed_since,
            "nearest": [
                {"document_id": each.document_id, "heading": each.heading, "quote": each.quote}
                for each in self.answer.nearest
            ],
            "release": self.release,
            "release_served": self.release_served,
            "fell_back_from": self.fell_back_from,
            "adapter": self.adapter,
            "adapter_served": self.adapter_served,
            "cost": self.cost.to_json(),
        }


def answer_served(
    question: str,
    strategy: Requested,
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
    *,
    where: Filter = Filter(),
    as_of: str | None = None,
    adapter: str | None = None,
    on_text: Callable[[str], None] | None = None,
) -> AnswerResult:
    """Answer from the served release; raise WorkspaceError if there is none, or if it lacks the adapter or router.

    `adapter` names another adapter that answers over the same index, as `find_adapter` reads it; raises ParamsError
    for a strategy without an adapter.
    """
    kind = strategy.profile.adapter
    if adapter is not None and kind is None:
        raise ParamsError(f"{strategy} uses no adapter", where="--adapter", do="choose the --strategy of the adapter")
    if isinstance(strategy, Auto):
        return _answer_auto(question, workspace, params, environment, where, as_of, on_text)
    found = find_adapter(adapter, kind, workspace, params) if adapter is not None and kind is not None else None
    of_release = None if found else kind
    with (
        CostMeter(params.costs, gpus=count_held_gpus()) as meter,
        _opening_ahead(workspace, params, environment, as_of, of_release, found) as open_model,
        open_served(workspace, params, environment, as_of=as_of, adapter=of_release) as served,
    ):
        model = open_model(found.folder if found else served.adapter)
        answer = _ask(question, strategy, served, model, params, meter, where, on_text)
    return result_of(question, strategy, answer, served, found, meter.stop(), workspace, params)


def answer_with(
    question: str,
    strategy: Strategy,
    served: Served,
    model: LanguageModel,
    workspace: Workspace,
    params: Params,
    *,
    where: Filter = Filter(),
    on_text: Callable[[str], None] | None = None,
    on_hits: Callable[[Sequence[Hit]], None] = lambda hits: None,
) -> AnswerResult:
    """Answer from a release and a model that are open; the cost is that of searching and generating.

    `on_hits` is called with the chunks that were found, as `answer_from` does.
    """
    with CostMeter(params.costs, gpus=count_held_gpus()) as meter:
        answer = _ask(question, strategy, served, model, params, meter, where, on_text, on_hits)
    return result_of(question, strategy, answer, served, None, meter.stop(), workspace, params)


def _answer_auto(
    question: str,
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
    where: Filter,
    as_of: str | None,
    on_text: Callable[[str], None] | None,
) -> AnswerResult:
    with (
        CostMeter(params.costs, gpus=count_held_gpus()) as meter,
        _opening_ahead(workspace, params, environment, as_of, _likely_adapter(workspace, params, as_of)) as open_model,
        open_served(workspace, params, environment, as_of=as_of) as served,
    ):
        kept = read_router(served.release, workspace, params)

        def open_with(kind: AdapterKind | None) -> LanguageModel:
            return open_model(open_adapter(served, kind, workspace, params))

        routed, answer = _ask_routed(question, kept, served, open_with, params, meter, where, on_text)
    result = result_of(question, routed.strategy, answer, served, None, meter.stop(), workspace, params)
    return replace(result, routed=routed)


def answer_routed(
    question: str,
    kept: KeptRouter,
    served: Served,
    open_model: OpenModel,
    workspace: Workspace,
    params: Params,
    *,
    where: Filter = Filter(),
    on_text: Callable[[str], None] | None = None,
    on_hits: Callable[[Sequence[Hit]], None] = lambda hits: None,
) -> AnswerResult:
    """Answer as `answer_with` does, by the strategy that the router, which is that of the release, chooses."""
    with CostMeter(params.costs, gpus=count_held_gpus()) as meter:
        routed, answer = _ask_routed(question, kept, served, open_model, params, meter, where, on_text, on_hits)
    result = result_of(question, routed.strategy, answer, served, None, meter.stop(), workspace, params)
    return replace(result, routed=routed)


def _ask_routed(
    question: str,
    kept: KeptRouter,
    served: Served,
    open_model: OpenModel,
    params: Params,
    meter: CostMeter,
    where: Filter,
    on_text: Callable[[str], None] | None,
    on_hits: Callable[[Sequence[Hit]], None] = lambda hits: None,
) -> tuple[Routed, Answer]:
    looked = choose_strategy(question, kept, served, open_model, params, where)
    strategy = looked.routed.strategy
    model = open_model(strategy.profile.adapter)
    return looked.routed, _ask(
        question, strategy, looked.served, model, params, meter, where, on_text, on_hits, looked.hits
    )


def _ask(
    question: str,
    strategy: Strategy,
    served: Served,
    model: LanguageModel,
    params: Params,
    meter: CostMeter,
    where: Filter,
    on_text: Callable[[str], None] | None,
    on_hits: Callable[[Sequence[Hit]], None] = lambda hits: None,
    found: Sequence[Hit] | None = None,
) -> Answer:
    answer = answer_from(
        question, strategy, served, model, params, where=where, on_text=on_text, on_hits=on_hits, found=found
    )
    meter.add_tokens(prompt=answer.prompt_tokens, generated=answer.generated_tokens)
    return answer


def result_of(
    question: str,
    strategy: Strategy,
    answer: Answer,
    served: Served,
    named: FoundAdapter | None,
    cost: Cost,
    workspace: Workspace,
    params: Params,
) -> AnswerResult:
    """Return the answer with its cited pages, and the adapter that gave it: the named one, else that of the release."""
    kind = strategy.profile.adapter
    entry = served.release.adapters[kind] if kind and named is None else named
    is_served = None if entry is None else named is None or named.is_served
    return AnswerResult(
        question=question,
        strategy=strategy,
        answer=answer,
        release=served.release.id,
        fell_back_from=served.fell_back_from,
        cost=cost,
        adapter=entry.id if entry else None,
        adapter_served=is_served,
        pages=look_up_pages(answer.citations, served.release, workspace, params),
        release_served=_is_served(served, workspace),
    )


def _is_served(served: Served, workspace: Workspace) -> bool:
    return ReleaseShelf(workspace.state).used_id() == served.release.id


def _likely_adapter(workspace: Workspace, params: Params, as_of: str | None) -> AdapterKind | None:
    """Return the adapter that is likely to answer for the router: that of the best single strategy."""
    try:
        shelf = ReleaseShelf(workspace.state)
        release = shelf.as_of(as_of) if as_of is not None else shelf.served()
        return read_router(release, workspace, params).single.profile.adapter if release else None
    # Whatever is wrong is reported when the release is opened, and its router read.
    except LoragError:
        return None


@contextmanager
def _opening_ahead(
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
    as_of: str | None,
    adapter: AdapterKind | None,
    named: FoundAdapter | None = None,
) -> Iterator[Callable[[Path | None], LanguageModel]]:
    """Yield an opener of the language model with an adapter; the likely one opens while index and embedder do."""
    try:
        shelf = ReleaseShelf(workspace.state)
        release = shelf.as_of(as_of) if as_of is not None else shelf.served()
        likely = workspace.adapters / release.adapters[adapter].sha256 if release and adapter else None
        likely = named.folder if named else likely
    # Whatever is wrong with the release is reported when it is opened.
    except (LoragError, KeyError):
        release, likely = None, None
    if release is None:
        yield lambda folder: open_generator(params.generation, environment, folder)
        return
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(open_generator, params.generation, environment, likely)
        yield (
            lambda folder: (
                opening.result() if folder == likely else open_generator(params.generation, environment, folder)
            )
        )
