"""Quality by the age of an adapter, from recorded walks and from one that asked every earlier adapter."""

from dataclasses import replace

import pytest

from lorag.evaluation.bootstrap import Estimate
from lorag.evaluation.curves import quality_by_age
from lorag.evaluation.timeline_records import AgedRow
from lorag.strategies import Strategy
from tests.costs.recorded import recorded_comparison, recorded_timeline


def test_a_recorded_walk_gives_the_ages_at_which_its_adapters_were_asked() -> None:
    curves = quality_by_age(recorded_timeline("sample"), recorded_comparison("sample"))
    # The second hybrid was refused: the first one answered the third version, two versions after its training.
    assert {strategy: len(curve.aged) for strategy, curve in curves.items()} == {
        "base": 0,
        "rag": 0,
        "tuned": 1,
        "hybrid": 2,
    }
    hybrid, tuned = curves[Strategy.HYBRID], curves[Strategy.TUNED]
    assert [round(state["accuracy"].value, 3) for state in hybrid.aged] == [0.84, 0.828]
    assert tuned.aged[0]["changed"].value == 0.0, "an old adapter that does not read"
    # After each retrain that was due: what was served, weighted by the questions, 275 and 279.
    assert hybrid.trained["accuracy"].value == pytest.approx((0.84 * 275 + 0.831541 * 279) / 554, abs=1e-4)
    # Removed facts are right where they are not answered: 5 of 9 and 5 of 11 still were.
    assert tuned.trained["removed"].value == pytest.approx(10 / 20, abs=1e-4)
    assert tuned.trained["removed"].low < 0.5 < tuned.trained["removed"].high
    assert tuned.aged[0]["controls"].value == pytest.approx(17 / 48, abs=1e-4), "those of the comparison"
    # (44 + 9) of 269 and (39 + 11) of 275; within two versions nobody counted.
    assert curves[Strategy.RAG].changed == (pytest.approx((53 / 269 + 50 / 275) / 2),)


def test_a_walk_that_asked_every_earlier_adapter_has_every_age() -> None:
    walk = recorded_timeline("wikipedia")
    oldest = AgedRow(Strategy.TUNED, 2, "first", {"accuracy": Estimate(0.3, 0.25, 0.36, 215)})
    steps = (*walk.steps[:2], replace(walk.steps[2], aged=(oldest,), changed_since=(0.4, 0.7)))
    tuned = quality_by_age(replace(walk, steps=steps), None)[Strategy.TUNED]
    assert [round(state["accuracy"].value, 2) for state in tuned.aged] == [0.39, 0.3]
    assert tuned.changed == (pytest.approx((100 / 215 + 0.4) / 2), 0.7)
    assert "controls" not in tuned.trained, "no comparison asked them"


def test_controls_that_the_walk_asked_count_before_those_of_the_comparison() -> None:
    walk = recorded_timeline("sample")
    asked = Estimate(0.5, 0.4, 0.6, 48)
    last = walk.steps[-1]
    rows = tuple(
        replace(row, figures={**row.figures, "controls": asked})
        if row.strategy is Strategy.TUNED and row.is_stale
        else row
        for row in last.rows
    )
    curves = quality_by_age(
        replace(walk, steps=(*walk.steps[:-1], replace(last, rows=rows))), recorded_comparison("sample")
    )
    assert curves[Strategy.TUNED].aged[0]["controls"].value == 0.5
    assert curves[Strategy.TUNED].trained["controls"].value == pytest.approx(17 / 48, abs=1e-4), "not asked there"


def test_a_walk_of_one_version_has_no_curve() -> None:
    walk = recorded_timeline("sample")
    assert quality_by_age(replace(walk, steps=walk.steps[:1]), None) == {}
