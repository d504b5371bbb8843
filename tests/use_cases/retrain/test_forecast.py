"""The forecast of a retrain over a small workspace; nothing is trained."""

import json
from typing import Any

import pytest

from lorag.costs.records import Cost, Machine, Use
from lorag.errors import GateRefused
from lorag.integrations.machine.hardware import read_machine
from lorag.integrations.mlflow.ledger import machine_tag
from lorag.integrations.mlflow.tracking import locate_tracking, start_run
from lorag.stages import run_stage
from lorag.strategies import AdapterKind
from lorag.tuning.forecast import Forecast
from lorag.use_cases.retrain.build_training_set import build_training_set
from lorag.use_cases.retrain.forecast import forecast_training, refuse_stopped
from lorag.use_cases.retrain.last_stop import forget_stop, keep_stop, read_stop
from tests.use_cases.conftest import Place

PIERS = range(1, 7)
PAGE = "# Piers\n\n" + "\n\n".join(f"The lamp of pier {pier} is lit at {pier + 5}:30 every evening." for pier in PIERS)


def _forecast(place: Place, **keys: Any) -> Forecast:
    (place.source / "piers.md").write_text(PAGE)
    rows = [
        {
            "id": f"lamp{pier}",
            "question": f"When is the lamp of pier {pier} lit?",
            "answers": [f"{pier + 5}:30"],
            "gold_doc_ids": ["piers.md"],
        }
        for pier in PIERS
    ]
    path = place.workspace.resolve(place.params.knowledge.questions)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row | keys) + "\n" for row in rows))
    for stage in ("documents", "chunks", "embeddings"):
        run_stage(stage, place.workspace.root)
    run_stage("starting_adapter", place.workspace.root, "tuned")
    settings = place.params.training_set.model_copy(update={"min_pairs": 2})
    params = place.params.model_copy(update={"training_set": settings})
    build_training_set(AdapterKind.TUNED, place.workspace, params, environment={})
    return forecast_training(AdapterKind.TUNED, place.workspace, params, {})


def test_questions_without_further_wordings_stop_a_retrain_before_it_trains(place: Place) -> None:
    found = _forecast(place)
    assert found.stops and found.lacking == [f"When is the lamp of pier {pier} lit?" for pier in PIERS]
    assert found.pairs["questions"] == 6 and found.tokens == found.epochs * found.tokens_per_epoch > 0
    assert (found.coverage.documents, found.coverage.n_documents, found.coverage.chunks) == (1, 3, 1)
    assert "no retrain of tuned was measured on this machine" in found.estimate.basis
    assert found.estimate.seconds > 60 and found.estimate.memory_mb > 1_000
    assert not (place.workspace.root / "artifacts" / "adapters").exists()
    with pytest.raises(GateRefused, match=r"6 questions have no `phrasings`.*lorag retrain --anyway"):
        refuse_stopped([found])


def test_the_newest_retrain_on_this_machine_gives_seconds_and_memory(place: Place) -> None:
    location = locate_tracking(place.workspace.state, {})
    costs = [  # The newest last: others' models and machines, and what trained nothing, do not count.
        (100.0, 700.0, 40_000, str(place.model), read_machine()),
        (200.0, 800.0, 40_000, str(place.model), read_machine()),
        (900.0, 900.0, 0, str(place.model), read_machine()),
        (900.0, 900.0, 40_000, "another model", read_machine()),
        (900.0, 900.0, 40_000, str(place.model), Machine("another", 64)),
    ]
    for wall_s, memory_mb, tokens, model, machine in costs:
        cost = Cost(Use(wall_s=wall_s, peak_rss_mb=memory_mb, tokens_trained=tokens), 0.0, "EUR", machine)
        tags = {"lorag.kind": "retrain", "lorag.adapter": "tuned", "lorag.published": "true", **machine_tag(cost)}
        with start_run(location, place.params.tracking.experiment, "retrain", tags) as run:
            run.log_params({"generation": {"model": model}})
            run.log_metrics(cost.as_metrics())
    found = _forecast(place)
    assert found.estimate.memory_mb == 800.0
    assert found.estimate.basis.startswith("from the newest retrain of tuned")
    assert 0 < found.estimate.seconds < 200.0, "fewer tokens, and the same exam"


def test_the_same_stop_is_reported_once(place: Place) -> None:
    found = _forecast(place)
    assert [keep_stop(found, place.workspace, place.params) for _ in range(3)] == [True, False, False]
    forget_stop(AdapterKind.TUNED, place.workspace)
    assert keep_stop(found, place.workspace, place.params)
    other = _forecast(place, answers=["8:30"])
    assert keep_stop(other, place.workspace, place.params), "another training set may be stopped for the same reason"


def test_a_stop_stands_until_what_it_came_from_changes(place: Place) -> None:
    found = _forecast(place)
    assert read_stop(AdapterKind.TUNED, place.workspace, place.params) == ()
    keep_stop(found, place.workspace, place.params)
    (why,) = read_stop(AdapterKind.TUNED, place.workspace, place.params)
    assert "`phrasings`" in why
    path = place.workspace.resolve(place.params.knowledge.questions)
    path.write_text(path.read_text() + "\n")
    assert read_stop(AdapterKind.TUNED, place.workspace, place.params) == ()


def test_questions_with_phrasings_stop_nothing(place: Place) -> None:
    assert _forecast(place).stops
    path = place.workspace.resolve(place.params.knowledge.questions)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["phrasings"] = [f"{row['question'][:-1]} every day?", row["question"].upper()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = forecast_training(AdapterKind.TUNED, place.workspace, place.params, {})
    assert not found.stops
    assert {fact.n_wordings for fact in found.facts} == {2}, "a wording that differs in case is the same"
    refuse_stopped([found])
