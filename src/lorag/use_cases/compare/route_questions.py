"""The choices of `auto` for the questions of a comparison, and the router of the release."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lorag.answering.routing import Signals
from lorag.counted import counted
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.bootstrap import Bootstrap
from lorag.evaluation.question_set import SetQuestion, Topic
from lorag.evaluation.router_fit import Case
from lorag.evaluation.routing import LEAST_CASES, Routing, Unrouted, is_served_right, judge_routing
from lorag.integrations.models.generators import open_compared
from lorag.params import Params, Rewriting
from lorag.strategies import Strategy
from lorag.use_cases.asking.artifacts import Wanted, load_wanted
from lorag.use_cases.asking.rewrite_questions import rewrite_questions, unchanged
from lorag.use_cases.asking.search_contexts import open_embedding, open_search
from lorag.use_cases.compare.answer_seconds import Rates
from lorag.use_cases.compare.steps import Chosen, Timed
from lorag.use_cases.serve.auto import knowing, signals_of
from lorag.use_cases.serve.kept_router import KeptRouter, keep_router
from lorag.workspace import Workspace


def route_questions(
    chosen: Chosen,
    rows: Mapping[str, Sequence[AnswerRow]],
    timed: Sequence[Timed],
    workspace: Workspace,
    params: Params,
    limit: int | None,
) -> Routing | Unrouted:
    """Choose a strategy for each question, judge these choices, and keep the router of the release.

    Nothing is generated. Strategies take part whose compared adapter is the served one, and whose speed was measured.
    Questions that ask for style are left out. With a `limit` nothing is kept.
    """
    if limit is not None:
        return Unrouted("a sample of the questions calibrates no router")
    speeds = {each.strategy: each.speed for each in timed if each.speed is not None}
    strategies = [name for name in chosen.strategies if name in speeds and _is_served(name, chosen)]
    if len(strategies) < 2:
        return Unrouted("fewer than two strategies were compared as they are served")
    places = [at for at, row in enumerate(rows[strategies[0]]) if row.question.topic is not Topic.STYLE]
    answers = {name: [rows[name][at] for at in places] for name in strategies}
    if len(places) < LEAST_CASES:
        found = counted(len(places), "question is", "questions are")
        return Unrouted(f"{found} too few to fit a router and to judge it, {LEAST_CASES} needed")
    rates = Rates.measure({name: speeds[name].timings for name in strategies})
    wanted = load_wanted(workspace)
    looks = _look([row.question for row in answers[strategies[0]]], strategies, chosen, wanted, workspace, params)
    cases = [_case(at, answers, look, rates) for at, look in enumerate(looks)]
    comparison = params.comparison
    bootstrap = Bootstrap(comparison.bootstrap_samples, comparison.confidence, comparison.seed)
    chunks = {chunk.id: chunk for chunk in wanted.chunks}
    routing = judge_routing(cases, answers, chunks, params.evaluation.k, bootstrap)
    kept = KeptRouter(
        routing.router, chosen.release.id, routing.verdict.single, routing.verdict.reason, routing.verdict.to_json()
    )
    keep_router(kept, chosen.release, workspace, params)
    return routing


@dataclass(frozen=True, slots=True)
class _Look:
    signals: Signals
    able: frozenset[Strategy]


def _is_served(strategy: Strategy, chosen: Chosen) -> bool:
    kind = strategy.profile.adapter
    served = chosen.release.adapters.get(kind) if kind else None
    return kind is None or (served is not None and served.sha256 == chosen.adapters.get(strategy))


def _look(
    questions: Sequence[SetQuestion],
    strategies: Sequence[Strategy],
    chosen: Chosen,
    wanted: Wanted,
    workspace: Workspace,
    params: Params,
) -> list[_Look]:
    """Return what serving would see of each question before it chooses."""
    texts = list(dict.fromkeys(question.text for question in questions))
    queries = unchanged(texts)
    if params.search.rewriting is not Rewriting.NONE:
        queries = rewrite_questions(texts, open_compared(params.generation), workspace, params)
    looks: dict[str, _Look] = {}
    with open_search(wanted, workspace, params) as search, open_embedding(workspace, params) as embed:
        for text, result in search(queries, params.search).items():
            hits = result.relevant(params.search.min_similarity)
            signals = signals_of(text, result, params, embed)
            looks[text] = _Look(signals, knowing(strategies, hits, chosen.release))
    return [looks[question.text] for question in questions]


def _case(at: int, answers: Mapping[Strategy, Sequence[AnswerRow]], look: _Look, rates: Rates) -> Case:
    rows = {name: given[at] for name, given in answers.items()}
    question = next(iter(rows.values())).question
    return Case(
        question.topic,
        question.fact_id,
        look.signals,
        {name: is_served_right(row) for name, row in rows.items()},
        {name: rates.seconds(name, row.answer) for name, row in rows.items()},
        rates.look_s,
        look.able,
    )
