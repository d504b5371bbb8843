"""The quality of each strategy by the age of its adapter, as a walk and a comparison measured it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lorag.costs.policies import RIGHT, Curve, Share, Shares
from lorag.evaluation.bootstrap import Estimate
from lorag.evaluation.comparison import Comparison
from lorag.evaluation.timeline_records import Moment, Timeline
from lorag.strategies import Strategy


@dataclass(frozen=True, slots=True)
class _Seen:
    """Figures of a strategy at a step; `age` is that of its adapter, and None after a retrain that was due."""

    strategy: Strategy
    age: int | None
    figures: Mapping[str, Estimate]


def quality_by_age(timeline: Timeline, comparison: Comparison | None) -> dict[Strategy, Curve]:
    """Return a curve for each strategy that a walk of two or more versions asked after a change.

    The first version is left out, because it is a build and not a change. Figures of several versions are averaged by
    their numbers of questions. A walk asks no control questions: those are of the adapter that the comparison asked, at
    every age, because it is the same adapter.
    """
    seen = list(_seen(timeline))
    found = {}
    for strategy in Strategy:
        own = [one for one in seen if one.strategy is strategy]
        if not own:
            continue
        figures = (comparison.strategies if comparison else {}).get(strategy, {})
        controls = {"controls": _share(figures["controls"])} if "controls" in figures else {}
        trained = _pool([one.figures for one in own if one.age is None])
        aged: list[Shares] = []
        while at := [one.figures for one in own if one.age == len(aged) + 1]:
            aged.append({**controls, **_pool(at)})
        found[strategy] = Curve({**controls, **trained} if trained else {}, tuple(aged), _changed(timeline))
    return found


def _seen(timeline: Timeline) -> Iterator[_Seen]:
    trained: dict[str, int] = {}
    for number, step in enumerate(timeline.steps):
        for row in step.rows:
            sha256 = row.adapter_sha256
            if row.moment is Moment.RETRAINED and sha256 and not row.is_stale:
                trained.setdefault(sha256, number)
            if number and row.figures:
                is_due = row.moment is Moment.RETRAINED or sha256 is None
                if is_due:
                    yield _Seen(row.strategy, None, row.figures)
                elif sha256 in trained:
                    yield _Seen(row.strategy, number - trained[sha256], row.figures)
        for aged in step.aged:
            yield _Seen(aged.strategy, aged.age, aged.figures)


def _changed(timeline: Timeline) -> tuple[float, ...]:
    """Return the mean share of the facts that changed or were removed within one version, two versions, and so on.

    A walk of an earlier version of lorag counted it within one version alone.
    """
    shares: list[list[float]] = []
    for before, step in zip(timeline.steps, timeline.steps[1:], strict=False):
        n_before = sum(n for change, n in before.facts.items() if change != "removed")
        moved = step.facts.get("changed", 0) + step.facts.get("removed", 0)
        for age, share in enumerate(step.changed_since or (moved / max(1, n_before),)):
            shares += [[]] * (age + 1 - len(shares))
            shares[age] = [*shares[age], share]
    return tuple(sum(each) / len(each) for each in shares)


def _pool(figures: Sequence[Mapping[str, Estimate]]) -> Shares:
    found = {}
    for name in RIGHT:
        known = [share for one in figures if (share := _right(one, name))]
        if known:
            n = sum(share.n for share in known)
            means = (sum(getattr(share, part) * share.n for share in known) / n for part in ("value", "low", "high"))
            found[name] = Share(*means)
    return found


def _right(figures: Mapping[str, Estimate], name: str) -> Estimate | None:
    if name != "removed":
        return figures.get(name)
    leaked = figures.get("removed_leaked")
    return leaked and Estimate(1 - leaked.value, 1 - leaked.high, 1 - leaked.low, leaked.n)


def _share(found: Estimate) -> Share:
    return Share(found.value, found.low, found.high)
