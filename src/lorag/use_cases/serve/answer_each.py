"""One question to every strategy that can answer now, from one release and one search."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from lorag.answering.generator import LanguageModel
from lorag.answering.strategies import AnswerKind, answer_question
from lorag.answering.support import Verdict, judge_claim
from lorag.costs.records import Cost
from lorag.errors import LoragError
from lorag.integrations.machine.cost_meter import CostMeter
from lorag.integrations.machine.gpu_energy import count_held_gpus
from lorag.params import Params
from lorag.questions.questions import compose
from lorag.retrieval.index.store import Filter, Hit
from lorag.strategies import BASELINE, Strategy
from lorag.use_cases.serve.answer_result import AnswerResult, result_of
from lorag.use_cases.serve.live import Live, LiveRelease
from lorag.use_cases.serve.serve import search_served
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Refused:
    """A strategy that cannot answer now: the reason, and the command that makes it available."""

    strategy: Strategy
    what: str
    do: str


@dataclass(frozen=True, slots=True)
class Shared:
    """What all columns share: the release, the passages that were found, best first, and the cost of the search."""

    release: str
    hits: tuple[Hit, ...]
    cost: Cost


Column = AnswerResult | Refused


def answer_each(
    question: str,
    live: LiveRelease,
    *,
    where: Filter = Filter(),
    wrap: Callable[[LanguageModel], LanguageModel] = lambda model: model,
    on_search: Callable[[Shared], None] = lambda shared: None,
    on_column: Callable[[Column], None] = lambda column: None,
) -> list[Column]:
    """Answer by each strategy in its order; the strategies that read get the same hits.

    `wrap` is put around each model, to stop it. `on_search` and `on_column` are called as soon as their part is there.
    Raises what `LiveRelease.use` raises if not
    even the base model can answer.
    """
    with _open_each(live) as (opened, refused):
        first = opened[BASELINE]
        params = first.params
        with CostMeter(params.costs, gpus=count_held_gpus(), children=False) as meter:
            result = search_served(question, first.served, params, generator=wrap(first.model), where=where)
            hits = result.relevant(params.search.min_similarity)
        on_search(Shared(first.served.release.id, tuple(hits), meter.stop()))
        columns: list[Column] = []
        for strategy in Strategy:
            column: Column
            if strategy in refused:
                column = refused[strategy]
            else:
                part = opened[strategy]
                part = replace(part, model=wrap(part.model))
                column = _answer(question, strategy, part, hits, live.workspace)
            columns.append(column)
            on_column(column)
        return columns


def find_agreement(answers: Sequence[AnswerResult], params: Params) -> Mapping[Strategy, tuple[Strategy, ...]]:
    """Return for each answer the strategies whose answer says the same.

    Two answers agree if one states the other by the rule for citations, or if both decline. A strategy that no other
    agrees with has an empty list.
    """
    return {
        one.strategy: tuple(
            other.strategy for other in answers if other is not one and _agree(one, other, params.answering.min_support)
        )
        for one in answers
    }


@contextmanager
def _open_each(live: LiveRelease) -> Iterator[tuple[dict[Strategy, Live], dict[Strategy, Refused]]]:
    """Yield each strategy's part of one release, and the strategies that it cannot answer with."""
    with ExitStack() as stack:
        first = stack.enter_context(live.use(BASELINE.profile.adapter))
        opened: dict[Strategy, Live] = {}
        refused: dict[Strategy, Refused] = {}
        for strategy in Strategy:
            try:
                part = first if strategy is BASELINE else stack.enter_context(live.use(strategy.profile.adapter))
            except LoragError as error:
                refused[strategy] = Refused(strategy, error.what, error.do)
                continue
            if part.served.release.id == first.served.release.id:
                opened[strategy] = part
            else:
                # Two states of the knowledge would stand side by side.
                refused[strategy] = Refused(strategy, "another release was published meanwhile", "ask again")
        yield opened, refused


def _answer(question: str, strategy: Strategy, part: Live, hits: Sequence[Hit], workspace: Workspace) -> AnswerResult:
    params, release = part.params, part.served.release
    with CostMeter(params.costs, gpus=count_held_gpus(), children=False) as meter:
        answer = answer_question(
            compose(question),
            strategy,
            generator=part.model,
            hits=hits if strategy.profile.reads else (),
            versions={key: entry.version for key, entry in release.documents.items()},
            params=params.answering,
            generation=params.generation,
            embed=part.served.searcher.embed,
        )
        meter.add_tokens(prompt=answer.prompt_tokens, generated=answer.generated_tokens)
    return result_of(question, strategy, answer, part.served, None, meter.stop(), workspace, params)


def _agree(one: AnswerResult, other: AnswerResult, min_support: float) -> bool:
    declined = [each.answer.kind is AnswerKind.DECLINED for each in (one, other)]
    if any(declined):
        return all(declined)
    if one.answer.text.strip() == other.answer.text.strip():
        return True
    texts = one.answer.text, other.answer.text
    return any(
        judge_claim(claim, one.question, sentence, "", min_support).verdict is Verdict.STATED
        for claim, sentence in (texts, texts[::-1])
    )
