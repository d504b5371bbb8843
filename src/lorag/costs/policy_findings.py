"""What the measured policies of a strategy say for it and against it."""

from collections.abc import Iterator, Sequence

from lorag.costs.evidence import Finding, Stance, show_seconds
from lorag.costs.needs import Case, Workload
from lorag.costs.plan import Choice, Demand, Option, choose
from lorag.costs.policies import Candidate
from lorag.params import AdviceParams


def choose_for(
    planned: Sequence[Candidate], able: Sequence[Case], workload: Workload, params: AdviceParams
) -> Choice | None:
    """Return the choice among the policies of the strategies that are able; None if policies cannot decide.

    They can if the knowledge changes and if each of these strategies whose answers were measured has a policy with
    measured quality and cost.
    """
    if not workload.updates_per_day:
        return None
    strategies = {case.strategy for case in able}
    own = [one for one in planned if one.policy.strategy in strategies]
    choice = choose(own, Demand(workload.updates_per_day, workload.queries_per_day), params)
    judged = {option.policy.strategy for option in choice.options if option.is_known}
    wanted = {case.strategy for case in able if case.measured.accuracy is not None and not case.measured.missing()}
    return choice if judged and wanted <= judged else None


def judge_policies(case: Case, choice: Choice, currency: str) -> Iterator[Finding]:
    """Yield what the strategy's best policy answers and costs, beside the one that is taken."""
    option = best_of(case, choice)
    if option is None or option.cost_a_day is None or option.accuracy is None:
        return
    cost, right = option.cost_a_day.median, option.accuracy.value
    figures = f"{right:.1%} of the questions right{case.trained_on} for {cost:.3g} {currency} a day"
    if option.against:
        against = " and ".join(option.against)
        yield Finding(Stance.RULES_OUT, f"Its best policy is `{option.policy.name}`: {against} ({figures}).", right)
        return
    if choice.taken is None or option is choice.taken:
        yield Finding(Stance.FOR, f"Under the policy `{option.policy.name}` it answers {figures}.", right)
    else:
        least = choice.taken.cost_a_day.median if choice.taken.cost_a_day else 0.0
        times = f", {cost / least:.1f} times `{choice.taken.policy.name}`" if least else ""
        yield Finding(Stance.AGAINST, f"Its cheapest policy is `{option.policy.name}`: {figures}{times}.", cost)
    if option.candidate.is_never_fresh:
        yield Finding(Stance.AGAINST, "Under this policy no change reaches its answers.")
    elif option.fresh_s is not None:
        sentence = f"A change is answered right after {show_seconds(option.fresh_s)} at most."
        yield Finding(Stance.FOR, sentence, option.fresh_s)


def best_of(case: Case, choice: Choice) -> Option | None:
    """Return the strategy's cheapest option that breaks no limit; without one, the one with most right answers."""
    own = [option for option in choice.options if option.policy.strategy is case.strategy and option.is_known]
    good = [option for option in own if not option.against]
    by_right = sorted(own, key=lambda option: option.accuracy.value if option.accuracy else 0.0)
    return good[0] if good else by_right[-1] if by_right else None
