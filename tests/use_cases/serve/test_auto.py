"""A strategy chosen for each question, with a router whose weights a test wrote and models that are tiny but real."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lorag.answering.routing import FEATURES, Router
from lorag.errors import IntegrityFailed, ParamsError, WorkspaceError
from lorag.releases.record import Release
from lorag.strategies import AdapterKind, Auto, Strategy
from lorag.use_cases.serve.answer import answer_served
from lorag.use_cases.serve.answer_result import AnswerResult
from lorag.use_cases.serve.auto import Remembering
from lorag.use_cases.serve.kept_router import FORMAT, KeptRouter, check_routers, keep_router, read_router
from lorag.use_cases.serve.manage_releases import check_releases
from lorag.use_cases.serve.request import strategy_named
from tests.use_cases.conftest import Place, make_place

BERTH, CAPITAL = "How deep is berth 4 of the Quellwick basin?", "zzz qqq xxyx"
BASE, RAG, TUNED = Strategy.BASE, Strategy.RAG, Strategy.TUNED


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One workspace for all tests here, each of which keeps its own router."""
    made = make_place(tmp_path_factory.mktemp("auto"))
    made.refresh()
    return made


def weights(**given: float) -> tuple[float, ...]:
    return tuple(given.get(name, 0.0) for name in FEATURES)


READS_WHAT_IS_FOUND = {RAG: weights(constant=-2, found=5), BASE: weights(constant=1, found=-3)}


def keep(place: Place, by: dict[Strategy, tuple[float, ...]], reason: str | None = None) -> Path:
    release = served_by(place)
    return keep_router(KeptRouter(Router(by), release.id, RAG, reason, {}), release, place.workspace, place.params)


def served_by(place: Place) -> Release:
    release = place.shelf.served()
    assert release is not None
    return release


def ask(place: Place, question: str, as_of: str | None = None) -> AnswerResult:
    return answer_served(question, Auto.AUTO, place.workspace, place.params, {}, as_of=as_of)


def test_each_question_is_answered_by_the_strategy_that_is_likeliest_to_be_right(served: Place) -> None:
    shutil.rmtree(served.workspace.routers, ignore_errors=True)
    with pytest.raises(WorkspaceError, match="the release has no router.*lorag compare"):
        ask(served, BERTH)
    keep(served, READS_WHAT_IS_FOUND)
    found = ask(served, BERTH)
    assert found.strategy is RAG and found.routed is not None
    assert "rag 95%, base 12%" in found.routed.why
    by_name = answer_served(BERTH, RAG, served.workspace, served.params, {})
    assert found.answer == by_name.answer, "the answer is that of the strategy"
    assert by_name.to_json()["routed"] is None

    unknown = ask(served, CAPITAL)
    assert unknown.strategy is BASE and unknown.answer.context == ()
    told = unknown.to_json()
    assert told["strategy"] == "base" and told["routed"]["compared"] == served_by(served).id
    assert told["routed"]["chances"] == {"rag": pytest.approx(0.119, abs=1e-3), "base": pytest.approx(0.731, abs=1e-3)}


def test_the_best_single_strategy_answers_where_the_router_does_not_serve(served: Place) -> None:
    keep(served, READS_WHAT_IS_FOUND, reason="it is no better")
    unknown = ask(served, CAPITAL)
    assert unknown.strategy is RAG and unknown.routed is not None
    assert unknown.routed.why == "auto chooses nothing here, because it is no better"
    assert unknown.routed.chances == {}


def test_an_outdated_memory_is_not_asked(served: Place) -> None:
    """The adapter of the fixture says that it was trained on version 1 of berths.md, which no page has."""
    from_memory = {TUNED: weights(constant=5), **READS_WHAT_IS_FOUND}
    served.publish_adapter(1, AdapterKind.TUNED)
    keep(served, from_memory)
    assert ask(served, BERTH).strategy is RAG
    assert ask(served, CAPITAL).strategy is TUNED, "nothing was found that it could be behind"


def test_a_router_stays_with_a_refresh_and_goes_with_another_adapter_or_setting(served: Place) -> None:
    first = keep(served, READS_WHAT_IS_FOUND)
    (served.source / "kitchen.md").write_text("# Kitchen\n\nThe galley opens at 07:30 now, and not earlier.\n")
    refreshed = served.refresh()
    assert read_router(refreshed, served.workspace, served.params).release != refreshed.id
    trained = served.publish_adapter(2, AdapterKind.TUNED)
    with pytest.raises(WorkspaceError, match="no router"):
        read_router(trained, served.workspace, served.params)
    assert ask(served, BERTH, as_of=refreshed.id).strategy is RAG, "the release before has it still"
    keep(served, READS_WHAT_IS_FOUND)
    assert first.exists(), "a release that is retained fits it"

    text = served.workspace.params_file.read_text()
    served.workspace.params_file.write_text(text.replace("min_similarity: 0.3", "min_similarity: 0.5"))
    with pytest.raises(WorkspaceError, match="no router"):
        ask(served, BERTH)
    keep(served, READS_WHAT_IS_FOUND)
    assert not first.exists(), "no release fits it with these settings"
    served.workspace.params_file.write_text(text)


def test_a_damaged_router_says_so(served: Place) -> None:
    path = keep(served, READS_WHAT_IS_FOUND)
    assert check_routers(served.workspace) == []
    value = json.loads(path.read_text())
    value["router"]["weights"]["rag"]["found"] = 50.0
    path.write_text(json.dumps(value))
    with pytest.raises(IntegrityFailed, match="damaged router.*digest"):
        ask(served, BERTH)
    checks = [check for check in check_releases(served.workspace, served.params, {}) if check.problem]
    assert [check.name for check in checks] == ["router"]
    path.write_text("{")
    with pytest.raises(IntegrityFailed, match="damaged router"):
        ask(served, BERTH)
    path.write_text(json.dumps({"format": FORMAT + 1}))
    with pytest.raises(IntegrityFailed, match="update lorag"):
        ask(served, BERTH)


def test_auto_takes_no_other_adapter(served: Place) -> None:
    with pytest.raises(ParamsError, match="auto uses no adapter"):
        answer_served(BERTH, Auto.AUTO, served.workspace, served.params, {}, adapter="candidate")
    assert strategy_named("auto") is Auto.AUTO
    with pytest.raises(ParamsError, match="base, rag, tuned, hybrid, auto"):
        strategy_named("best")


def test_a_text_is_embedded_once() -> None:
    asked: list[str] = []

    def embed(texts: object) -> np.ndarray:
        asked.extend(texts)  # type: ignore[arg-type]
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)  # type: ignore[attr-defined]

    remembering = Remembering(embed)
    assert remembering(["a", "bb", "a"]).tolist() == [[1, 1], [2, 1], [1, 1]]
    assert remembering(["bb", "ccc"]).tolist() == [[2, 1], [3, 1]]
    assert asked == ["a", "bb", "ccc"]
