"""`lorag costs`, `break-even` and `advise` on a served workspace whose runs stand in a real MLflow database."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lorag.cli import run
from lorag.costs.prices import cost_of
from lorag.costs.records import Machine, Use
from lorag.evaluation.rule_error import RULE_ERROR
from lorag.evaluation.timeline_records import Moment
from lorag.integrations.mlflow.ledger import machine_tag
from lorag.integrations.mlflow.tracking import locate_tracking, start_run
from lorag.stages import run_stage
from lorag.strategies import AdapterKind
from lorag.use_cases.operate.retrain_due import adapters_due
from lorag.use_cases.retrain.last_look import write_look
from tests.costs.recorded import recorded_timeline
from tests.findings.judged import row, walked
from tests.use_cases.conftest import Place

INCREMENTAL = {"plan.added": 1, "plan.changed": 2, "plan.removed": 0, "plan.kept": 9}


def log(place: Place, tags: dict[str, str], use: Use, metrics: dict[str, float]) -> str:
    params = place.params
    location = locate_tracking(place.workspace.state, {})
    named = {f"lorag.{name}": value for name, value in tags.items()}
    with start_run(location, params.tracking.experiment, "run", named) as started:
        started.log_metrics(cost_of(use, params.costs).as_metrics() | metrics)
        started.log_params(params.model_dump(mode="json"))
    return started.run_id


@pytest.fixture
def measured(served: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Served, with a refresh, a retrain and answers by rag and tuned in the ledger."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    served.publish_adapter(1)
    log(served, {"kind": "refresh"}, Use(wall_s=20, cpu_s=36, tokens_embedded=100), INCREMENTAL)
    log(served, {"kind": "retrain", "adapter": "tuned"}, Use(wall_s=2000, cpu_s=3600, tokens_trained=500), {})
    for strategy, cpu_s in (("rag", 360.0), ("tuned", 36.0)):
        figures = {"queries": 100, "quality.accuracy": 0.7, "speed.p95_s": 0.5}
        log(served, {"kind": "answers", "strategy": strategy}, Use(wall_s=cpu_s, cpu_s=cpu_s), figures)
    return served


def call(place: Place, capfd: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capfd.readouterr()
    assert run(["--workspace", str(place.workspace.root), *arguments, "--json"]) == 0
    value: dict[str, Any] = json.loads(capfd.readouterr().out)
    return value


def show(place: Place, capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    capfd.readouterr()
    assert run(["--workspace", str(place.workspace.root), *arguments]) == 0
    return " ".join(capfd.readouterr().out.split())


def test_costs_break_even_and_advice_read_one_ledger(
    measured: Place, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    costs = call(measured, capfd, "costs", "--last", "3")
    assert (costs["n_entries"], len(costs["entries"]), costs["n_skipped"]) == (4, 3, 0)
    assert [total["count"] for total in costs["totals"]] == [1, 1, 1, 1]
    shown = show(measured, capfd, "costs")
    assert "refresh incremental" in shown
    assert "answers tuned 100" in shown

    chart = tmp_path / "chart.svg"
    weighed = call(measured, capfd, "break-even", "--plot", str(chart))
    line = next(one for one in weighed["crossings"] if (one["first"], one["second"]) == ("rag", "tuned"))
    # An hour less 36 s of a core, against 3.24 s for each question; what is stored shifts the start.
    assert line["queries_per_update"] == pytest.approx(3564 / 3.24)
    assert weighed["strategies"]["tuned"]["stored_bytes"] > 0
    assert weighed["strategies"]["rag"]["stored_bytes"] > 0
    assert "<svg" in chart.read_text()
    assert set(weighed["missing"]) == {"base", "hybrid"}
    assert "rag = tuned at 1,100.0 queries an update" in show(measured, capfd, "break-even", "--unit", "seconds")

    advice = call(measured, capfd, "advise", "--updates-per-day", "1", "--queries-per-day", "9000")["advice"]
    assert advice["strategy"] == "tuned"
    assert {"what": "a retrain of hybrid", "do": "lorag retrain --adapter hybrid"} in advice["missing"]
    cited = show(measured, capfd, "advise", "--updates-per-day=1", "--queries-per-day=9000", "--citations-needed")
    assert "tuned is ruled out" in cited
    assert "x It answers from memory and has nothing to cite." in cited

    assert "the time to fresh of tuned" in {one["what"] for one in advice["missing"]}
    built = row("tuned", Moment.RETRAINED, fresh_s=500.0)
    changed = (row("tuned", Moment.REFRESHED), row("tuned", Moment.RETRAINED, fresh_s=90.0))
    walk = walked((built,), changed).timeline
    assert walk is not None
    steps = walk.steps[1:]
    measured.workspace.reports.mkdir()
    (measured.workspace.reports / "timeline.json").write_text(json.dumps(replace(walk, steps=steps).to_json()))
    fresh = call(measured, capfd, "break-even")["strategies"]["tuned"]["time_to_fresh_s"]
    assert fresh == 90.0, "the walk that is asked for tells it here, and its first version is a build"

    params = measured.workspace.params_file
    params.write_text(params.read_text().replace("cpu_hour: 0.04", "cpu_hour: 0.08"))
    money = [call(measured, capfd, "costs", *flag)["totals"][1]["money"]["total"] for flag in ((), ("--reprice",))]
    assert money == pytest.approx([0.04, 0.08]), "prices of now take the place of those that were logged"


def test_plan_break_even_and_advice_read_one_walk(
    measured: Place, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    load = ("--updates-per-day", "4", "--queries-per-day", "2000")
    nothing = call(measured, capfd, "plan", *load)
    assert (nothing["taken"], nothing["policies"]) == (None, [])
    assert nothing["missing"][0]["do"] == "lorag timeline"
    assert "Not measured: a walk with" in show(measured, capfd, "plan", *load)

    walk = recorded_timeline("sample")
    measured.workspace.reports.mkdir()
    report = measured.workspace.reports / "timeline.json"
    report.write_text(json.dumps(replace(walk, model="another").to_json()))
    assert call(measured, capfd, "plan", *load)["policies"] == [], "it was of another model"
    own = replace(walk, model=measured.params.generation.model)
    report.write_text(json.dumps(replace(own, limit=40).to_json()))
    assert call(measured, capfd, "plan", *load)["policies"] == [], "half of its facts change"
    report.write_text(json.dumps(own.to_json()))

    chart = tmp_path / "plan.svg"
    plan = call(measured, capfd, "plan", *load, "--plot", str(chart))
    assert plan["taken"] == "tuned, every update"
    assert plan["measure"] == RULE_ERROR.to_json()
    shown = show(measured, capfd, "plan", *load)
    assert " ".join(RULE_ERROR.line().split()) in " ".join(shown.split())
    assert "<svg" in chart.read_text()
    known = {one["policy"]: one for one in plan["policies"]}
    assert known["hybrid, once"]["missing"] == [{"what": "a batch of answers by hybrid", "do": "lorag compare"}]
    # Two hours of a core for four retrains, 36 s in the ledger for 100 answers.
    tuned = known["tuned, every 2"]
    assert tuned["cost_a_day"]["median"] == pytest.approx((2 * 3600 + 20 * 36) / 3600 * 0.04, rel=1e-2)
    assert tuned["time_to_fresh_s"] == pytest.approx(601.2 + 86_400 / 4, abs=0.1)
    few = call(measured, capfd, "plan", *load, "--max-staleness", "60")
    assert few["taken"] == "rag"

    lines = {one["policy"]: one for one in call(measured, capfd, "break-even")["policies"]}
    assert lines["tuned, every 2"]["queries_per_update"] == pytest.approx((1800 - 36) / 3.24)
    assert lines["rag"]["queries_per_update"] is None
    assert "tuned, every 2" in show(measured, capfd, "break-even")
    advice = call(measured, capfd, "advise", *load)["advice"]
    # Hybrid was neither asked nor retrained here, and keeps nobody from being compared.
    assert (advice["strategy"], advice["policy"]) == ("tuned", plan["taken"])


def test_costs_of_another_machine_than_the_newest_are_shown_and_do_not_count(
    measured: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    workload = ("advise", "--updates-per-day", "1", "--queries-per-day", "9000")
    assert call(measured, capfd, "break-even")["n_elsewhere"] == 0
    fast = replace(cost_of(Use(wall_s=2, cpu_s=4), measured.params.costs), machine=Machine("Fast 9", 64))
    (tag,) = machine_tag(fast).values()
    log(measured, {"kind": "refresh", "machine": tag}, fast.use, INCREMENTAL)
    log(measured, {"kind": "answers", "strategy": "rag", "machine": tag}, fast.use, {"queries": 100})

    weighed = call(measured, capfd, "break-even", "--unit", "seconds")
    assert weighed["n_elsewhere"] == 4
    assert {name: one["update"]["median"] for name, one in weighed["strategies"].items()} == {"rag": 4}
    assert "retrain of tuned" in weighed["missing"]["tuned"][0]["what"]
    assert call(measured, capfd, *workload)["advice"]["n_elsewhere"] == 4
    assert call(measured, capfd, "advise", "--pending")["pending"]["n_elsewhere"] == 4
    left_out = "Not counted, because they were measured on another machine than the newest: 4 entries."
    for command in (("break-even",), workload, ("advise", "--pending"), (*workload, "--pending")):
        assert show(measured, capfd, *command).count(left_out) == 1

    totals = call(measured, capfd, "costs")["totals"]
    assert [total["machine"] and total["machine"]["processor"] for total in totals[:2]] == ["Fast 9", None]
    shown = show(measured, capfd, "costs")
    assert "[1] was measured on Fast 9, 64 cores." in shown
    assert "[2] was measured on an unknown machine." in shown


def test_pending_changes_are_held_against_the_lineage_of_the_served_adapter(
    measured: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    shelf = measured.shelf
    served = shelf.served()
    assert served is not None
    # As if it had been trained on the pages of now; it knows no facts, and there are no questions.
    versions = {name: entry.version for name, entry in served.documents.items()}
    adapters = {kind: replace(entry, documents=versions) for kind, entry in served.adapters.items()}
    shelf.publish(replace(served, adapters=adapters), expected_served=served.id)
    assert call(measured, capfd, "advise", "--pending")["pending"]["action"] == "nothing"

    (measured.source / "more.md").write_text("# More\n\nThe boathouse is painted green every third year.\n")
    pending = call(measured, capfd, "advise", "--pending")["pending"]
    assert (pending["action"], pending["retrain"]) == ("index_only", {"tuned": "not"}), "no fact is to be learned of it"

    (measured.source / "more.md").unlink()
    (measured.source / "kitchen.md").unlink()
    shown = show(measured, capfd, "advise", "--pending")
    assert "the index, run `lorag refresh`, and a retrain" in shown
    assert "The weights of tuned still contain removed documents: kitchen.md." in shown
    assert "A retrain of tuned took 33.3 min and 0.04 EUR (median of 1)." in shown
    assert adapters_due(measured.workspace, measured.params) == ["tuned"]
    assert call(measured, capfd, "status")["adapters"]["tuned"]["retrain"] == "now"

    # A retrain has looked and found nothing to train.
    run_stage("documents", measured.workspace.root)
    write_look(measured.workspace, AdapterKind.TUNED, served.adapters[AdapterKind.TUNED].sha256)
    assert adapters_due(measured.workspace, measured.params) == []
    assert call(measured, capfd, "advise", "--pending")["pending"]["retrain"] == {"tuned": "not"}
    state = call(measured, capfd, "status")["adapters"]["tuned"]
    assert (state["behind"], state["retrain"], state["documents_gone"]) == (False, "not", ["kitchen.md"])


def test_without_runs_each_command_says_what_to_run(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    assert "run `lorag refresh`, `lorag retrain` and `lorag compare`" in show(place, capfd, "costs")
    assert "hybrid lacks a retrain of hybrid: lorag retrain --adapter hybrid" in show(place, capfd, "break-even")
    advised = show(place, capfd, "advise", "--updates-per-day", "1", "--queries-per-day", "1", "--pending")
    assert "No advice: too little was measured" in advised
    assert "For the pending changes: the index only" in advised
    assert not (place.workspace.state / "mlflow").exists(), "reading makes no database"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("advise",), "give --updates-per-day and --queries-per-day, or --pending"),
        (("advise", "--updates-per-day", "-1"), "--updates-per-day"),
        (("advise", "--updates-per-day", "nan", "--queries-per-day", "1"), "--updates-per-day"),
        (("advise", "--updates-per-day", "1", "--queries-per-day", "inf"), "--queries-per-day"),
        (("break-even", "--plot", "chart.docx"), "end it in ."),
    ],
)
def test_bad_flags(place: Place, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], reason: str) -> None:
    assert run(["--workspace", str(place.workspace.root), *arguments]) == 2
    assert reason in capfd.readouterr().err
