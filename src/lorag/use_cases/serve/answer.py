"""The command `lorag ask` in a workspace."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

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
from lorag.strategies import READER, AdapterKind, Auto, Requested, Strategy
from lorag.use_cases.serve.answer_result import AnswerResult, result_of
from lorag.use_cases.serve.auto import OpenModel, Routed, choose_strategy
from lorag.use_cases.serve.candidates import FoundAdapter, find_adapter
from lorag.use_cases.serve.kept_router import KeptRouter, read_router
from lorag.use_cases.serve.past import Past, ReadableThen, Recalled, recall
from lorag.use_cases.serve.serve import Served, answer_from, open_adapter, open_served
from lorag.workspace import Workspace


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
    for a strategy without an adapter. A question about the past is put to the release that it speaks of, unless
    `as_of` names one.
    """
    kind = strategy.profile.adapter
    if adapter is not None and kind is None:
        raise ParamsError(f"{strategy} uses no adapter", where="--adapter", do="choose the --strategy of the adapter")
    if isinstance(strategy, Auto):
        return _answer_auto(question, workspace, params, environment, where, as_of, on_text)
    found = find_adapter(adapter, kind, workspace, params) if adapter is not None and kind is not None else None
    of_release = None if found else kind
    with (
        CostMeter(params.costs, gpus=count_held_gpus(), children=False) as meter,
        _opening_ahead(workspace, params, environment, as_of, of_release, found) as open_model,
        open_served(workspace, params, environment, as_of=as_of, adapter=of_release) as served,
    ):
        model = open_model(found.folder if found else served.adapter)
        readable_then = None if as_of is not None else lambda then: where
        with recall(question, strategy, served, workspace, params, where, readable_then) as recalled:
            said = _ask(recalled, strategy, model, params, meter, on_text)
    return _result(question, strategy, said, served, found, meter.stop(), workspace, params)


def answer_with(
    question: str,
    strategy: Strategy,
    served: Served,
    model: LanguageModel,
    workspace: Workspace,
    params: Params,
    *,
    where: Filter = Filter(),
    readable_then: ReadableThen | None = None,
    on_text: Callable[[str], None] | None = None,
    on_hits: Callable[[Sequence[Hit]], None] = lambda hits: None,
) -> AnswerResult:
    """Answer from a release and a model that are open; the cost is that of searching and generating.

    `on_hits` is called with the chunks that were found, as `answer_from` does. A question about the past is put to the
    release that it speaks of, by the same model, as far as `readable_then` allows; without it to the open release.
    """
    with (
        CostMeter(params.costs, gpus=count_held_gpus(), children=False) as meter,
        recall(question, strategy, served, workspace, params, where, readable_then) as recalled,
    ):
        said = _ask(recalled, strategy, model, params, meter, on_text, on_hits)
    return _result(question, strategy, said, served, None, meter.stop(), workspace, params)


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
        CostMeter(params.costs, gpus=count_held_gpus(), children=False) as meter,
        _opening_ahead(workspace, params, environment, as_of, _likely_adapter(workspace, params, as_of)) as open_model,
        open_served(workspace, params, environment, as_of=as_of) as served,
    ):
        kept = read_router(served.release, workspace, params)

        def open_with(kind: AdapterKind | None) -> LanguageModel:
            return open_model(open_adapter(served, kind, workspace, params))

        readable_then = None if as_of is not None else lambda then: where
        with recall(question, READER, served, workspace, params, where, readable_then) as recalled:
            routed, said = _ask_routed(recalled, kept, open_with, params, meter, on_text)
    result = _result(question, routed.strategy, said, served, None, meter.stop(), workspace, params)
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
    readable_then: ReadableThen | None = None,
    on_text: Callable[[str], None] | None = None,
    on_hits: Callable[[Sequence[Hit]], None] = lambda hits: None,
) -> AnswerResult:
    """Answer as `answer_with` does, by the strategy that the router, which is that of the release, chooses."""
    with (
        CostMeter(params.costs, gpus=count_held_gpus(), children=False) as meter,
        recall(question, READER, served, workspace, params, where, readable_then) as recalled,
    ):
        routed, said = _ask_routed(recalled, kept, open_model, params, meter, on_text, on_hits)
    result = _result(question, routed.strategy, said, served, None, meter.stop(), workspace, params)
    return replace(result, routed=routed)


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer, the release that was read for it, and what it says about the past."""

    answer: Answer
    read: Served
    past: Past | None


def _ask_routed(
    recalled: Recalled,
    kept: KeptRouter,
    open_model: OpenModel,
    params: Params,
    meter: CostMeter,
    on_text: Callable[[str], None] | None,
    on_hits: Callable[[Sequence[Hit]], None] = lambda hits: None,
) -> tuple[Routed, _Said]:
    if not recalled.is_ordinary:
        routed = Routed(READER, "the question is about the past, which only a retained release knows", {}, kept.release)
        model = open_model(READER.profile.adapter)
        return routed, _ask(recalled, READER, model, params, meter, on_text, on_hits)
    looked = choose_strategy(recalled.question, kept, recalled.served, open_model, params, recalled.where)
    strategy = looked.routed.strategy
    model = open_model(strategy.profile.adapter)
    recalled = replace(recalled, served=looked.served)
    return looked.routed, _ask(recalled, strategy, model, params, meter, on_text, on_hits, looked.hits)


def _ask(
    recalled: Recalled,
    strategy: Strategy,
    model: LanguageModel,
    params: Params,
    meter: CostMeter,
    on_text: Callable[[str], None] | None,
    on_hits: Callable[[Sequence[Hit]], None] = lambda hits: None,
    found: Sequence[Hit] | None = None,
) -> _Said:
    if recalled.declined is not None:
        (on_text or (lambda piece: None))(recalled.declined.text)
        return _Said(recalled.declined, recalled.served, recalled.past)
    question, served, where = recalled.question, recalled.served, recalled.where
    answer = answer_from(
        question, strategy, served, model, params, where=where, on_text=on_text, on_hits=on_hits, found=found
    )
    meter.add_tokens(prompt=answer.prompt_tokens, generated=answer.generated_tokens)
    return _Said(answer, served, recalled.settle(answer))


def _result(
    question: str,
    strategy: Strategy,
    said: _Said,
    served: Served,
    named: FoundAdapter | None,
    cost: Cost,
    workspace: Workspace,
    params: Params,
) -> AnswerResult:
    """Return the result of an answer from the release that was read, by the adapter of the `served` one."""
    result = result_of(question, strategy, said.answer, served, named, cost, workspace, params, read=said.read)
    return replace(result, past=said.past)


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
