"""A plan that is put in force, and what became of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from lorag.costs.due import describe_rule
from lorag.costs.followed import Followed, policy_in_force
from lorag.costs.ledger import Ledger
from lorag.costs.plan import Choice, Plan, choose
from lorag.costs.plan_check import Beside, Passed, PlanCheck, compare_with, find_passed, first_day
from lorag.costs.policies import candidates
from lorag.costs.unit_costs import Unit, measure
from lorag.errors import WorkspaceError
from lorag.params import Params
from lorag.releases.durable import write_json_durably
from lorag.use_cases.change_params import change_params
from lorag.use_cases.judge.read_curves import read_curves
from lorag.use_cases.judge.read_ledger import read_ledger
from lorag.use_cases.judge.read_reports import find_timeline, read_report, timeline_file
from lorag.use_cases.judge.weigh_costs import served_or_none, stored_bytes
from lorag.workspace import Workspace

_FOLLOW = "lorag plan --updates-per-day N --queries-per-day N --follow"


def follow_plan(plan: Plan, workspace: Workspace, params: Params) -> Followed:
    """Write the plan's choice into params.yaml, keep what it predicts, and return that.

    Raises WorkspaceError if the plan takes no policy.
    """
    taken, served = plan.choice.taken, served_or_none(workspace)
    now, costs = datetime.now(UTC).isoformat(timespec="seconds"), params.costs
    release = served.id if served else None
    followed = Followed.of(taken, plan.demand, costs.prices, costs.currency, release, now) if taken else None
    if followed is None:
        raise WorkspaceError(f"there is no policy to follow: {plan.choice.reason}", do="see `lorag plan`")
    change_params(workspace.params_file, {"policy": followed.policy.values})
    write_json_durably(workspace.followed_plan_file, followed.to_json())
    return followed


def read_followed(workspace: Workspace) -> Followed | None:
    """Return the plan that was followed last; None without one. Raises IntegrityFailed for a damaged record."""
    return read_report(workspace.followed_plan_file, Followed.from_json)


def check_plan(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> PlanCheck:
    """Return what the followed plan predicted beside what was measured since, and what would be chosen now.

    Raises WorkspaceError if no plan was followed, and StoreFailed if the ledger cannot be read.
    """
    followed = read_followed(workspace)
    if followed is None:
        raise WorkspaceError("no plan is followed, so there is nothing to check", do=f"run `{_FOLLOW}`")
    ledger, now = read_ledger(workspace, params, environment), datetime.now(UTC)
    prices = params.costs.model_copy(update={"prices": followed.prices})
    passed = find_passed(ledger.repriced(prices), followed, now)
    stored = stored_bytes(workspace, params)
    reason = f"the first whole day begins {first_day(followed.since_utc):%Y-%m-%d} (UTC)"
    choice: Choice | None = None
    rows: list[Beside] = []
    if passed is not None:
        rows = list(compare_with(followed, passed, stored.of(followed.policy.strategy), _fresh_s(workspace, followed)))
        choice, reason = _choose_now(followed, passed, ledger, workspace, params)
    policy = params.policy
    own = policy_in_force(policy, passed.updates_per_day if passed else followed.demand.updates_per_day)
    return PlanCheck(followed, passed, tuple(rows), describe_policy(params), own == followed.policy, choice, reason)


def describe_policy(params: Params) -> str:
    """Return the policy in force as a clause: the strategy, and when its adapter is retrained."""
    strategy = params.policy.strategy
    if strategy is None:
        rules = "; ".join(f"{kind} is {describe_rule(kind, params.policy)}" for kind in params.tuning.adapters)
        return f"no strategy is chosen; {rules}"
    kind = strategy.profile.adapter
    return f"{strategy}, {describe_rule(kind, params.policy)}" if kind else f"{strategy}, nothing is trained for it"


def _choose_now(
    followed: Followed, passed: Passed, ledger: Ledger, workspace: Workspace, params: Params
) -> tuple[Choice | None, str]:
    if not passed.n_updates:
        return None, "nothing has changed since, so no other policy can be better"
    measured = measure(ledger.on_newest_machine(), stored_bytes(workspace, params))
    share, prices = params.advice.plan_share, params.costs.prices
    known = candidates(measured, read_curves(workspace, params), share, Unit.MONEY, prices)
    demand = replace(followed.demand, updates_per_day=passed.updates_per_day, queries_per_day=passed.queries_per_day)
    choice = choose(known, demand, params.advice)
    return choice, choice.reason


def _fresh_s(workspace: Workspace, followed: Followed) -> float | None:
    """Return the greatest time to fresh that a walk since then measured; None without one."""
    path, timeline = timeline_file(workspace), find_timeline(workspace)
    since_s = datetime.fromisoformat(followed.since_utc).timestamp()
    if path is None or timeline is None or path.stat().st_mtime < since_s:
        return None
    strategy = followed.policy.strategy
    return max((one.seconds for one in timeline.times_to_fresh() if one.strategy is strategy), default=None)
