"""The adapters that a run by itself trains, on a served workspace."""

from datetime import UTC, datetime, timedelta

from lorag.releases.durable import write_json_durably
from lorag.strategies import AdapterKind
from lorag.use_cases.change_params import change_params
from lorag.use_cases.operate.retrain_due import adapters_due, adapters_to_train
from lorag.use_cases.retrain.last_retrain import keep_retrain, since_last_try
from tests.use_cases.conftest import Place

QUESTION = (
    '{"id": "depth", "question": "How deep is berth 4?", "answers": ["7.25 metres"], "gold_doc_ids": ["berths.md"]}\n'
)
TUNED, HYBRID = AdapterKind.TUNED, AdapterKind.HYBRID


def follow(place: Place, strategy: str | None, **rule: object) -> None:
    never = {"every_updates": None, "every_days": None, "from_share": None, "removed": False}
    retrain = dict.fromkeys(("tuned", "hybrid"), never | rule)
    change_params(place.workspace.params_file, {"policy": {"strategy": strategy, "retrain": retrain}})


def trained(place: Place, *, days_ago: float = 0) -> None:
    utc = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat()
    served = place.shelf.served()
    assert served is not None
    last = {"utc": utc, "n_updates": served.n_updates}
    write_json_durably(place.workspace.state / "last_retrains.json", {"tuned": last})


def to_train(place: Place) -> list[AdapterKind]:
    return adapters_to_train(place.workspace, place.params)


def test_updates_since_the_last_retrain_make_an_adapter_due(served: Place) -> None:
    served.publish_adapter(1)
    follow(served, "tuned", every_updates=2)
    trained(served)
    for depth, due in (("8.40", []), ("9.10", [TUNED])):
        (served.source / "berths.md").write_text(f"# Berths\n\nBerth 4 is {depth} metres deep.\n")
        served.refresh()
        assert adapters_due(served.workspace, served.params) == due
    keep_retrain([TUNED], served.workspace)
    assert adapters_due(served.workspace, served.params) == [], "also if its gate refused it"
    since = since_last_try(served.workspace, TUNED, served.shelf.releases()[0])
    assert since is not None and since.updates == 0 and since.days is not None and since.days < 0.01


def test_days_since_the_last_retrain_make_an_adapter_due(served: Place) -> None:
    served.publish_adapter(1)
    follow(served, "tuned", every_days=3)
    for days, due in ((2.0, []), (3.0, [TUNED])):
        trained(served, days_ago=days)
        assert adapters_due(served.workspace, served.params) == due
    (served.workspace.state / "last_retrains.json").write_text("damaged")
    assert adapters_due(served.workspace, served.params) == [], "counted from when the adapter was put here: now"


def test_an_adapter_is_trained_first_where_there_are_questions_and_then_by_the_policy(served: Place) -> None:
    follow(served, None)
    assert to_train(served) == [], "there is nothing to train it with"
    questions = served.workspace.resolve(served.params.knowledge.questions)
    questions.parent.mkdir(parents=True, exist_ok=True)
    questions.write_text(QUESTION)
    assert to_train(served) == [TUNED, HYBRID]
    follow(served, "hybrid")
    assert to_train(served) == [HYBRID]
    keep_retrain([HYBRID], served.workspace)
    assert to_train(served) == [], "its gate refused it"
    follow(served, "rag")
    assert to_train(served) == []
