import json
from dataclasses import replace

import pytest

from lorag.console.costs import show_break_even
from lorag.costs.ledger import EntryKind, Extent, Ledger, LedgerEntry
from lorag.costs.records import Machine, Use
from lorag.costs.unit_costs import Band, StoredBytes, Unit, measure, unit_costs
from lorag.reports.break_even_plot import plot_break_even
from lorag.strategies import Strategy
from tests.costs.measured import (
    ALL,
    ANSWERS,
    CHART,
    FAST,
    NOTHING_STORED,
    PRICES,
    REFRESHES,
    RETRAINS,
    SLOW,
    entry,
    found,
)


def test_an_update_is_what_has_to_run_for_a_change_to_reach_the_answers() -> None:
    by_strategy = {cost.strategy: cost for cost in found(unit=Unit.SECONDS).costs}

    assert by_strategy["base"].update.median == 0
    assert by_strategy["rag"].update.median == 36, "the first build and a refresh without change do not count"
    assert (by_strategy["rag"].update.least, by_strategy["rag"].update.greatest) == (18, 72)
    assert by_strategy["tuned"].update.median == 3600, "a retrain that trained nothing does not count"
    assert by_strategy["hybrid"].update.median == 36 + 5400
    assert by_strategy["rag"].query.median == pytest.approx(3.6), "a question, however many were in the batch"


def test_the_first_training_is_no_update_once_another_continued_it() -> None:
    continued = [entry(EntryKind.RETRAIN, "tuned", cpu_s=cpu_s, extent=Extent.INCREMENTAL) for cpu_s in (300.0, 500.0)]
    tuned = {cost.strategy: cost for cost in found([*continued, *ALL], Unit.SECONDS).costs}["tuned"]
    assert tuned.update == Band(300, 400, 500)


def test_trainings_from_scratch_are_the_updates_where_the_newest_one_is() -> None:
    scratch = entry(EntryKind.RETRAIN, "tuned", cpu_s=3000, extent=Extent.FULL)
    continued = entry(EntryKind.RETRAIN, "tuned", cpu_s=300, extent=Extent.INCREMENTAL)
    tuned = {cost.strategy: cost for cost in found([scratch, continued, *ALL], Unit.SECONDS).costs}["tuned"]
    assert tuned.update == Band(3000, 3300, 3600)


def test_what_was_measured_with_other_settings_or_on_some_questions_does_not_count() -> None:
    look = entry(EntryKind.ANSWERS, "tuned", cpu_s=5, n_queries=1, quality={"accuracy": 1.0}, is_look=True)
    larger = entry(EntryKind.RETRAIN, "tuned", cpu_s=9000, extent=Extent.FULL, settings="a larger model")
    result = found([look, larger, *ALL], Unit.SECONDS)
    tuned = {cost.strategy: cost for cost in result.costs}["tuned"]
    assert tuned.update == Band(9000, 9000, 9000)
    assert tuned.query.median == pytest.approx(0.36)
    assert {one.strategy: one.accuracy for one in result.measured}["tuned"] == 0.4
    assert result.to_json()["strategies"]["tuned"]["n_left_out"] == 2


def test_money_is_the_use_at_the_price_book_of_now_not_what_was_logged() -> None:
    by_strategy = {cost.strategy: cost for cost in found().costs}
    assert by_strategy["tuned"].update.median == pytest.approx(0.04), "an hour of a core"


def test_storage_is_paid_by_the_day() -> None:
    stored = StoredBytes(30_000_000_000, {"tuned": 10_000_000_000, "hybrid": 10_000_000_000})
    a_day = {cost.strategy: cost.storage_a_day for cost in found(stored=stored).costs}
    gigabyte = 0.02 * 12 / 365.25
    assert a_day == pytest.approx({"base": 0, "rag": 30 * gigabyte, "tuned": 10 * gigabyte, "hybrid": 40 * gigabyte})
    assert {cost.storage_a_day for cost in found(unit=Unit.SECONDS, stored=stored).costs} == {0.0}


def test_a_store_that_does_not_tell_its_size_costs_nothing_and_is_said_to_be_unknown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = found(stored=StoredBytes(None, {"hybrid": 9})).to_json()
    show_break_even(told | {"plot": None})
    assert "neither its processors and memory nor its storage" in " ".join(capsys.readouterr().out.split())
    result = told["strategies"]
    assert result["rag"]["stored_bytes"] is result["hybrid"]["stored_bytes"] is None
    assert result["rag"]["storage_a_day"] == 0


def test_the_grid_and_the_line_say_the_same() -> None:
    result = found()
    (line,) = (one for one in result.crossings if (one.first, one.second) == ("rag", "tuned"))
    assert line.slope == pytest.approx((3600 - 36) / (3.6 - 0.36))
    assert result.grid.cheapest[0][-1] == "rag", "many updates, few queries"
    assert result.grid.cheapest[-1][0] == "tuned", "many queries, few updates"


def test_what_a_strategy_lacks_is_named_with_the_command_and_the_rest_is_compared() -> None:
    result = found([one for one in ALL if one.strategy != "tuned"])
    assert {name: [one.do for one in missing] for name, missing in result.missing.items()} == {
        "tuned": ["lorag retrain --adapter tuned", "lorag compare"]
    }
    assert [cost.strategy for cost in result.costs] == ["base", "rag", "hybrid"]


def test_costs_of_answers_are_compared_where_they_were_measured_in_the_same_way() -> None:
    def answers(strategy: Strategy, source: str, cpu_s: float) -> LedgerEntry:
        return entry(EntryKind.ANSWERS, strategy, cpu_s=cpu_s, n_queries=10, source=source, quality={"accuracy": cpu_s})

    updates = [*REFRESHES, *RETRAINS]
    both = [answers("rag", "batch", 0.1), answers("rag", "streamed", 0.2), answers("tuned", "streamed", 0.3)]
    seconds = {cost.strategy: cost.query.median for cost in found([*updates, *both], Unit.SECONDS).costs}
    assert seconds == pytest.approx({"rag": 0.02, "tuned": 0.03})
    other = found([*updates, *both, answers("hybrid", "batch", 0.4)])
    assert [one.what for one in other.missing["hybrid"]] == ["the cost of answers by hybrid, measured as the others'"]
    assert {one.strategy: one.accuracy for one in other.measured}["hybrid"] == 0.4, "its quality is known all the same"


def test_nothing_measured_gives_an_empty_grid_and_a_chart_that_says_so() -> None:
    result = found([])
    assert result.grid.cheapest == ()
    assert set(result.missing) == {"base", "rag", "tuned", "hybrid"}
    texts = [text.get_text() for text in plot_break_even(result).axes[1].texts]
    assert "rag: not measured yet" in texts


def test_strategies_that_answer_too_little_right_are_left_out_of_the_grid_alone() -> None:
    result = found(chart=CHART.model_copy(update={"min_accuracy": 0.5}))
    assert result.left_out == {
        "base": "not among break_even.strategies",
        "tuned": "accuracy 0.400 is below 0.500",
    }
    assert result.grid.strategies == ("rag", "hybrid")
    assert len(result.crossings) == 6, "every pair is told all the same"


def test_a_doubled_price_moves_the_line_as_the_costs_computed_anew() -> None:
    gpu = Use(wall_s=100, cpu_s=10, gpu_s=100, kwh=0.01)
    entries = [
        entry(EntryKind.REFRESH, None, cpu_s=36, extent=Extent.INCREMENTAL),
        entry(EntryKind.RETRAIN, "tuned", cpu_s=0, extent=Extent.FULL, use=gpu),
        *ANSWERS[:3],
    ]
    moved = {one.price: one for one in found(entries).sensitivity if (one.first, one.second) == ("rag", "tuned")}

    now = ((10 * 0.04 + 100 * 2.5) / 3600 + 0.01 * 0.3) - 36 * 0.04 / 3600
    saved = 3.24 * 0.04 / 3600
    assert moved["gpu_hour"].slope == pytest.approx(now / saved)
    assert moved["gpu_hour"].slope_doubled == pytest.approx((now + 100 * 2.5 / 3600) / saved)
    assert moved["kwh"].slope_doubled == pytest.approx((now + 0.01 * 0.3) / saved)
    assert moved["cpu_hour"].slope_doubled == pytest.approx((now + (10 - 36) * 0.04 / 3600) / (2 * saved))
    for price in ("million_input_tokens", "million_output_tokens", "storage_gb_month"):
        assert moved[price].slope_doubled == moved[price].slope, "twice nothing"
    assert found(entries, Unit.SECONDS).sensitivity == ()


def test_doubled_storage_moves_the_start_of_the_line_not_its_slope() -> None:
    stored = StoredBytes(40_000_000_000, {})
    (moved,) = (
        one
        for one in found(stored=stored).sensitivity
        if (one.price, one.first, one.second) == ("storage_gb_month", "rag", "tuned")
    )
    assert moved.slope_doubled == moved.slope
    assert moved.offset is not None
    assert moved.offset_doubled == pytest.approx(2 * moved.offset)


def test_what_is_printed_is_plain_json_with_quality_and_freshness_beside_the_costs() -> None:
    result = json.loads(json.dumps(found().to_json(), allow_nan=False))
    assert result["strategies"]["rag"]["accuracy"] == 0.8
    assert result["strategies"]["rag"]["time_to_fresh_s"] == 30
    assert result["strategies"]["tuned"]["time_to_fresh_s"] is None
    assert result["strategies"]["hybrid"]["n_updates"] == [3, 1]
    assert len(result["grid"]["cheapest"]) == len(result["grid"]["queries"]) == 9


def test_the_chart_labels_regions_and_lines_and_tells_what_each_side_is_worth() -> None:
    axes, notes = plot_break_even(found()).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert {text.get_text() for text in axes.texts} == {"rag", "tuned", "rag = tuned: 1,100 queries an update"}
    x, y = axes.lines[0].get_data()
    assert [float(b / a) for a, b in zip(x, y, strict=True)] == pytest.approx([1100] * len(x))
    said = "\n".join(text.get_text() for text in notes.texts)
    assert "80% right, fresh after 30 s" in said
    assert "90% right, freshness not measured" in said


def test_a_pair_that_storage_alone_decides_is_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    stored = StoredBytes(1_000_000, {"tuned": 100_000_000_000, "hybrid": 1_000_000})
    result = {**found(stored=stored).to_json(), "plot": None}
    by_storage = {(one["first"], one["second"]): one["by_storage_alone"] for one in result["crossings"]}
    assert by_storage[("tuned", "hybrid")], "hybrid is dearer to update and to ask, and stores less"
    assert not by_storage[("rag", "tuned")]
    show_break_even(result)
    said = " ".join(capsys.readouterr().out.split())
    assert "by storage alone; with more tuned is cheaper" in said


def test_a_larger_corpus_makes_the_retrain_dearer_and_not_the_refresh() -> None:
    hybrid = measure(Ledger(tuple(ALL)), NOTHING_STORED)[3]
    grown = unit_costs(hybrid.grown(10), Unit.SECONDS, PRICES)
    assert grown.update.median == 36 + 54_000
    assert grown.query.median == pytest.approx(3.6)


def on(machine: Machine, entries: list[LedgerEntry], factor: float) -> list[LedgerEntry]:
    return [replace(one, cost=replace(one.cost, use=one.cost.use.times(factor), machine=machine)) for one in entries]


def test_the_figures_are_those_of_the_newest_machine_alone() -> None:
    slow, fast = on(SLOW, ALL, 1), on(FAST, ALL, 0.1)
    assert found([*fast, *slow]) == found(fast)
    assert found([*slow, *fast]) == found(slow)
    assert found([*fast, *ALL]) == found(fast), "entries of earlier versions do not name their machine"
    assert found([*ALL, *fast]) == found(ALL), "and count together while no newer one does"
    (first, *_) = found([*fast, *slow]).costs[1:]
    assert (first.strategy, first.update.median) == ("rag", pytest.approx(3.6 * 0.04 / 3600))


def test_what_only_another_machine_measured_is_missing() -> None:
    refresh, answers = on(FAST, [REFRESHES[1], ANSWERS[0]], 0.1)
    result = found([answers, refresh, *on(SLOW, ALL, 1)])
    assert [cost.strategy for cost in result.costs] == ["rag"]
    assert {one.what for one in result.missing["tuned"]} == {"a retrain of tuned", "a batch of answers by tuned"}
