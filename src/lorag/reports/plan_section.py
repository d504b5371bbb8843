"""The section of a report on policies."""

from lorag.costs.evidence import show_seconds
from lorag.costs.plan import Option, Plan
from lorag.costs.policies import RIGHT, Share
from lorag.counted import counted
from lorag.reports.page import Section, Table
from lorag.reports.plan_plot import plot_plan


def plan_section(plan: Plan) -> Section:
    """Return the chart of cost against right answers, and a row for each policy."""
    load, taken = plan.demand.load, plan.choice.taken
    said = [
        "A policy is a strategy and when it is retrained: with every update, with every n-th one, when a share of the "
        "answers changed or were removed, or once and never again. The dashed line is the frontier: no policy on it is "
        f"beaten in both. In brackets the {plan.confidence:.0%} interval. `lorag plan` does this for any load.",
        f"At {load}, `{taken.policy.name}` is {plan.choice.reason}." if taken else f"At {load} {plan.choice.reason}.",
        *_limits(taken),
    ]
    columns = ["policy", f"{plan.currency} a day", *RIGHT, "fresh after at most"]
    rows = [_row(option) for option in plan.choice.options]
    figures = [plot_plan(plan)] if any(option.is_known for option in plan.choice.options) else []
    return Section("Policies", said, figures, [Table(columns, rows)])


def _limits(taken: Option | None) -> list[str]:
    course = taken.candidate.course if taken else None
    if course is None or course.repeats:
        return []
    return [f"It was measured for {counted(course.n_updates, 'update')} after its training, and not beyond."]


def _row(option: Option) -> list[str]:
    course = option.candidate.course
    right = course.right if course else {}
    fresh = "?" if option.fresh_s is None else show_seconds(option.fresh_s)
    return [
        option.policy.name,
        f"{option.cost_a_day.median:.3g}" if option.cost_a_day else "?",
        *(_cell(right.get(name)) for name in RIGHT),
        "never" if option.candidate.is_never_fresh else fresh,
    ]


def _cell(share: Share | None) -> str:
    return "" if share is None else f"{share.value:.2f} [{share.low:.2f}, {share.high:.2f}]"
