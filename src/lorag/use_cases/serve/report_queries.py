"""The report of what the service was asked, and what the documents could not answer."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lorag.questions.words import normalise
from lorag.releases.shelf import ReleaseShelf
from lorag.use_cases.serve.query_log import Query, QuestionCandidate, Verdict, read_candidates, read_queries
from lorag.use_cases.serve.retrieved import describe_ages
from lorag.workspace import Workspace


def report_queries(workspace: Workspace, keep_days: float, last: int) -> dict[str, Any]:
    """Return counts, speed and cost by strategy, and the `last` questions of each kind that somebody should look at."""
    queries = read_queries(workspace.queries_file)
    candidates = read_candidates(workspace.question_candidates_file)
    declined = [each for each in candidates if each.verdict is Verdict.DECLINED]
    said = [each for each in candidates if each.verdict is not Verdict.DECLINED]
    return {
        "n_queries": len(queries),
        "kept_days": keep_days,
        "first_utc": queries[0].asked_utc if queries else None,
        "last_utc": queries[-1].asked_utc if queries else None,
        "strategies": _by_strategy(queries),
        "content_age_days": describe_ages(queries, ReleaseShelf(workspace.state).releases()),
        "doors": _count(query.door for query in queries),
        "keys": _count(query.key for query in queries),
        "n_candidates": len(candidates),
        "unanswered": _grouped([*(q for q in queries if q.kind == "declined"), *_only(declined, queries)], (), last),
        "marked": _grouped(said, said, last),
        "most_asked": sorted(_grouped(queries, (), None), key=lambda each: -each["n"])[:last],
    }


def _by_strategy(queries: Sequence[Query]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], list[Query]] = defaultdict(list)
    for query in queries:
        found[query.strategy.value, query.currency].append(query)
    return [
        {
            "strategy": strategy,
            "n": len(asked),
            "kinds": _count(query.kind for query in asked),
            "seconds_p50": float(np.percentile([query.seconds for query in asked], 50)),
            "seconds_p95": float(np.percentile([query.seconds for query in asked], 95)),
            "tokens_prompt": sum(query.tokens_prompt for query in asked),
            "tokens_generated": sum(query.tokens_generated for query in asked),
            "money": sum(query.money for query in asked),
            "currency": currency,
        }
        for (strategy, currency), asked in sorted(found.items())
    ]


def _only(candidates: Sequence[QuestionCandidate], queries: Sequence[Query]) -> list[QuestionCandidate]:
    """Return the candidates whose query is not in the log any more."""
    known = {query.id for query in queries}
    return [each for each in candidates if each.query not in known]


def _grouped(
    entries: Iterable[Query | QuestionCandidate], said: Sequence[QuestionCandidate], last: int | None
) -> list[dict[str, Any]]:
    """Return each question once, the newest first, with how often it was asked and what was said of its answers."""
    verdicts: dict[str, list[str]] = defaultdict(list)
    for candidate in said:
        verdicts[normalise(candidate.question)].append(candidate.verdict.value)
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        key = normalise(entry.question)
        known = found.pop(key, {"n": 0})
        found[key] = {
            "question": entry.question,
            "n": known["n"] + 1,
            "reason": entry.reason,
            "release": entry.release,
            "verdicts": list(dict.fromkeys(verdicts[key])),
        }
    return list(reversed(found.values()))[:last]


def _count(values: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for value in values:
        counts[value] += 1
    return dict(counts)
