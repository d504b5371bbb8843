"""The choice of a policy on the recorded walk over the sample knowledge base."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lorag.console.plan import show_plan
from lorag.costs.advice import advise
from lorag.costs.crossing import cross
from lorag.costs.needs import Workload
from lorag.costs.plan import Choice, Demand, Plan, choose, find_turns
from lorag.costs.policies import Candidate, Policy, candidates
from lorag.costs.unit_costs import Measured, StoredBytes, Unit, measure
from lorag.evaluation.curves import quality_by_age
from lorag.params import AdviceParams
from lorag.reports.plan_plot import plot_plan
from lorag.reports.plan_section import plan_section
from lorag.strategies import Strategy
from tests.costs.measured import COSTS
from tests.costs.recorded import recorded_comparison, recorded_ledger, recorded_timeline

LIMITS = AdviceParams(max_accuracy_loss=0.05, max_update_share=0.5, max_extrapolation=10, plan_share=0.1)
README = Path(__file__).parents[2] / "README.md"
UPDATES, QUERIES = (0.01, 1000.0), (1.0, 1e6)
CURVES = quality_by_age(recorded_timeline("sample"), recorded_comparison("sample"))


@pytest.fixture(scope="module")
def measured() -> list[Measured]:
    return measure(recorded_ledger("sample").repriced(COSTS), StoredBytes(0, {}))


@pytest.fixture(scope="module")
def known(measured: list[Measured]) -> tuple[Candidate, ...]:
    return candidates(measured, CURVES, LIMITS.plan_share, Unit.MONEY, COSTS.prices)


def replace_quality(measured: list[Measured], style: dict[str, float]) -> list[Measured]:
    """The measured strategies with a share of answers in the wanted style."""
    return [
        replace(
            one,
            answers=tuple(replace(e, quality={**(e.quality or {}), "style": style[one.strategy]}) for e in one.answers),
        )
        if one.strategy in style
        else one
        for one in measured
    ]


def against(choice: Choice, name: str) -> str:
    return "; ".join(next(option.against for option in choice.options if option.policy.name == name))


DEMANDS = {
    "an old hybrid reads the fresh index": (Demand(4, 2000), "hybrid, once"),
    "short answers pay for a retrain": (Demand(0.1, 100_000), "tuned, every update"),
    "changes must be answered at once": (Demand(0.1, 100_000, max_staleness_s=60), "hybrid, once"),
    "few right answers are enough": (Demand(4, 2000, min_accuracy=0.6), "tuned, once"),
    "retrains of half an hour fill the day": (Demand(200, 1e6), "hybrid, once"),
    "nothing is that good": (Demand(4, 2000, min_accuracy=0.95), None),
    "nothing is that cheap": (Demand(4, 2000, budget=0.001), None),
}


@pytest.mark.parametrize("case", DEMANDS)
def test_the_cheapest_policy_that_answers_enough_is_taken(case: str, known: tuple[Candidate, ...]) -> None:
    demand, wanted = DEMANDS[case]
    taken = choose(known, demand, LIMITS).taken
    assert (taken.policy.name if taken else None) == wanted


def test_each_policy_that_is_not_taken_says_which_limit_it_breaks(known: tuple[Candidate, ...]) -> None:
    choice = choose(known, Demand(100, 2000, max_staleness_s=300), LIMITS)
    assert "a change may wait longer than 5 min" not in against(choice, "rag")
    assert "fewer right answers than" in against(choice, "rag")
    assert "a change may wait longer than 5 min" in against(choice, "tuned, every update")
    assert "its updates take 66% of the day" in against(choice, "tuned, every update")
    assert "a change never reaches its answers" in against(choice, "tuned, once")
    assert against(choice, "hybrid, once") == ""
    waits = next(option for option in choice.options if option.policy.name == "tuned, every 2")
    assert waits.fresh_s == pytest.approx(601.2 + 86_400 / 100, abs=0.1), "one update later, then the retrain"


def test_the_frontier_has_what_nothing_beats_in_both(known: tuple[Candidate, ...]) -> None:
    options = choose(known, Demand(4, 2000), LIMITS).options
    assert [option.policy.name for option in options if option.on_frontier] == [
        "tuned, once",
        "hybrid, once",
        "hybrid, every 2",
    ]
    costs = [option.cost_a_day.median for option in options if option.cost_a_day]
    assert costs == sorted(costs)


def test_the_choice_turns_where_two_policies_cost_the_same(known: tuple[Candidate, ...]) -> None:
    demand = Demand(4, 2000)
    turns = {(turn.axis, turn.is_above): turn for turn in find_turns(known, demand, LIMITS, UPDATES, QUERIES)}
    by_name = {one.policy.name: one.costs for one in known}
    hybrid, tuned = by_name["hybrid, once"], by_name["tuned, every update"]
    assert hybrid is not None and tuned is not None
    line = cross(hybrid, tuned)
    assert turns["queries", True].at == pytest.approx(line.queries_at(4), rel=1e-4)
    assert turns["updates", False].at == pytest.approx(line.updates_at(2000), rel=1e-4)
    assert {turn.policy for turn in turns.values()} == {"tuned, every update"}
    assert len(turns) == 2, "no other load in the ranges changes it"
    assert find_turns(known, Demand(4, 0), LIMITS, UPDATES, QUERIES), "from no queries on, too"


def test_the_advice_is_the_policy_of_the_plan(measured: list[Measured], known: tuple[Candidate, ...]) -> None:
    for updates, queries in ((4, 2000), (0.1, 100_000), (200, 2000), (30, 30)):
        found = advise(measured, Workload(updates, queries), 240, LIMITS, COSTS, None, CURVES)
        taken = choose(known, Demand(updates, queries), LIMITS).taken
        assert taken is not None and taken.cost_a_day is not None
        assert (found.policy, found.strategy) == (taken.policy.name, taken.policy.strategy)
        verdict = next(one for one in found.verdicts if one.strategy is found.strategy)
        assert verdict.fits
        assert verdict.cost_a_day == taken.cost_a_day.median
    private = advise(measured, Workload(4, 2000, private_documents=True), 240, LIMITS, COSTS, None, CURVES)
    assert (private.policy, private.strategy) == ("rag", Strategy.RAG), "of those that meet the needs"
    style = replace_quality(measured, {"tuned": 0.9, "hybrid": 0.5, "rag": 0.1})
    formal = advise(style, Workload(4, 2000, style_needed=True), 240, LIMITS, COSTS, None, CURVES)
    assert formal.policy == "tuned, every update", "only tuned has the style"
    still = advise(measured, Workload(0, 2000), 240, LIMITS, COSTS, None, CURVES)
    assert still.policy is None, "without changes no adapter ages"


@pytest.mark.parametrize("demand", [Demand(4, 2000), Demand(4, 2000, min_accuracy=0.95)], ids=["taken", "none"])
def test_a_person_reads_it_in_80_columns(
    demand: Demand, known: tuple[Candidate, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    turns = find_turns(known, demand, LIMITS, UPDATES, QUERIES)
    plan = Plan(demand, choose(known, demand, LIMITS), turns, "EUR", 0.95)
    show_plan(json.loads(json.dumps(plan.to_json(), allow_nan=False)) | {"plot": None, "followed": None})
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if "tuned, every update" in line and "10 min" in line]
    assert len(rows) == 1, "no cell is broken"
    assert max(len(line) for line in lines if not line.startswith("Not taken")) <= 80
    if plan.choice.taken is None:
        assert lines[0] == "No policy: no measured policy keeps all limits."
        return
    assert lines[0] == "Take `hybrid, once`: trained once and never again."
    assert any("measured for 2 updates after its training, that is for 12 h" in line for line in lines)
    assert any(line.startswith("Next best: `hybrid, every 2`") for line in lines)
    assert any(line.startswith("With more than 12,") and "tuned, every update" in line for line in lines)


def test_the_readme_leads_with_the_plan_of_the_recorded_walk(known: tuple[Candidate, ...]) -> None:
    demand = Demand(4, 2000)
    taken = choose(known, demand, LIMITS).taken
    assert taken is not None and taken.cost_a_day is not None and taken.candidate.course is not None
    assert taken.policy == Policy(Strategy.HYBRID), "the policy that the sentence names"
    right, n_updates = taken.accuracy, taken.candidate.course.n_updates
    assert right is not None
    turns = {(turn.axis, turn.is_above): turn for turn in find_turns(known, demand, LIMITS, UPDATES, QUERIES)}
    more = turns["queries", True]
    shares = f"{100 * right.value:.0f} % of the facts right ({100 * right.low:.0f} to {100 * right.high:.0f})"
    lead = README.read_text(encoding="utf-8").split("\n\n")[1]
    assert (
        f"`hybrid` trained once is the policy to follow: {shares} for {taken.cost_a_day.median:.2g} EUR a day" in lead
    )
    assert f"for the {n_updates} updates after its training" in lead
    assert f"up to {float(f'{more.at:.3g}'):,g} questions a day" in lead and more.policy == "tuned, every update"


def test_the_section_of_a_report_has_a_row_for_each_policy(known: tuple[Candidate, ...]) -> None:
    demand = Demand(4, 2000)
    section = plan_section(Plan(demand, choose(known, demand, LIMITS), (), "EUR", 0.95))
    assert "`hybrid, once` is the cheapest policy within 5 points" in section.text[1]
    assert section.text[2] == "It was measured for 2 updates after its training, and not beyond."
    rows = {row[0]: row for row in section.tables[0].rows}
    assert rows["hybrid, once"][2] == "0.83 [0.79, 0.88]"
    assert rows["base"][-1] == "never"
    assert len(section.figures) == 1


def test_the_chart_has_a_point_for_each_schedule_and_the_frontier(known: tuple[Candidate, ...]) -> None:
    demand = Demand(4, 2000)
    (axes,) = plot_plan(Plan(demand, choose(known, demand, LIMITS), (), "EUR", 0.95)).axes
    names = {text.get_text() for text in axes.texts}
    assert {"hybrid, once", "rag", "base"} <= names
    assert len([name for name in names if name.startswith("tuned")]) == 3, "at 10% is the same as with every update"
    frontier = next(line for line in axes.get_lines() if line.get_linestyle() == "--")
    assert len(list(frontier.get_xdata())) == 3
