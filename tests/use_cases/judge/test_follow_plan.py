"""A plan that is put in force in a workspace, and checked."""

import json
from dataclasses import replace
from typing import Any

import pytest

from lorag.cli import run
from lorag.costs.plan import Demand, Plan, choose
from lorag.costs.policies import candidates
from lorag.costs.unit_costs import StoredBytes, Unit, measure
from lorag.errors import IntegrityFailed, WorkspaceError
from lorag.evaluation.curves import quality_by_age
from lorag.releases.durable import write_json_durably
from lorag.strategies import AdapterKind, Strategy
from lorag.use_cases.change_params import change_params
from lorag.use_cases.judge.follow_plan import check_plan, describe_policy, follow_plan, read_followed
from tests.costs.recorded import recorded_comparison, recorded_ledger, recorded_timeline
from tests.use_cases.conftest import Place

CURVES = quality_by_age(recorded_timeline("sample"), recorded_comparison("sample"))


def plan(place: Place, **limits: float) -> Plan:
    params = place.params
    measured = measure(recorded_ledger("sample").repriced(params.costs), StoredBytes(0, {}))
    known = candidates(measured, CURVES, params.advice.plan_share, Unit.MONEY, params.costs.prices)
    demand = Demand(4, 2000, **limits)
    return Plan(demand, choose(known, demand, params.advice), (), "EUR", 0.95)


def check(place: Place, capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capfd.readouterr()
    assert run(["--workspace", str(place.workspace.root), "plan", "--check", "--json"]) == 0
    value: dict[str, Any] = json.loads(capfd.readouterr().out)
    return value


def test_a_followed_plan_is_in_params_with_their_comments_and_is_kept(place: Place) -> None:
    before = place.workspace.params_file.read_text()
    followed = follow_plan(plan(place), place.workspace, place.params)
    assert followed.policy.name == "hybrid, once" and read_followed(place.workspace) == followed
    policy = place.params.policy
    assert policy.strategy is Strategy.HYBRID
    never, tuned = policy.retrain[AdapterKind.HYBRID], policy.retrain[AdapterKind.TUNED]
    assert (never.every_updates, never.every_days, never.from_share, never.removed) == (None, None, None, True)
    assert tuned.every_days == 7, "the other adapter's rule stays for the day on which it is run"
    after = place.workspace.params_file.read_text()
    changed = [(old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert [new.split()[0] for _, new in changed] == ["strategy:", "every_days:"]
    assert all(old.partition("#")[2] == new.partition("#")[2] for old, new in changed), "comments stay"
    assert describe_policy(place.params) == "hybrid, retrained when a document that it learned is removed"


def test_a_check_says_what_was_predicted_and_whether_params_still_hold_it(
    place: Place, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(WorkspaceError, match="no plan is followed"):
        check_plan(place.workspace, place.params, {})
    followed = follow_plan(plan(place, min_accuracy=0.8), place.workspace, place.params)
    today = check(place, capfd)
    assert (today["days"], today["figures"], today["is_in_force"]) == (None, [], True)
    assert today["reason"].startswith("the first whole day begins")
    earlier = replace(followed, since_utc="2026-01-01T12:00:00+00:00")
    write_json_durably(place.workspace.followed_plan_file, earlier.to_json())
    change_params(place.workspace.params_file, {"policy": {"strategy": "rag"}})
    later = check(place, capfd)
    assert later["days"] > 100 and not later["is_in_force"] and later["in_force"].startswith("rag")
    figures = {one["what"]: one for one in later["figures"]}
    assert (figures["updates a day"]["predicted"], figures["updates a day"]["real"]) == (4, 0)
    assert later["now"] is None and later["reason"].startswith("nothing has changed since")
    place.workspace.followed_plan_file.write_text("{}")
    with pytest.raises(IntegrityFailed):
        check_plan(place.workspace, place.params, {})


def test_without_a_choice_nothing_is_followed(place: Place) -> None:
    before = place.workspace.params_file.read_text()
    with pytest.raises(WorkspaceError, match="no policy to follow"):
        follow_plan(plan(place, min_accuracy=0.99), place.workspace, place.params)
    assert place.workspace.params_file.read_text() == before
    assert read_followed(place.workspace) is None
