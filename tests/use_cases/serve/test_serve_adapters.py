"""Asking, refreshing, rolling back and damage, with adapters that are tiny and random but real."""

import json
import shutil

import pytest

from lorag.answering.declining import NOTHING_FOUND
from lorag.errors import IntegrityFailed, ParamsError, WorkspaceError
from lorag.integrations.models.files import base_model_sha256
from lorag.integrations.stores import open_store
from lorag.releases.adapter_shelf import WEIGHTS, adapter_sha256
from lorag.releases.record import Release
from lorag.releases.withdrawn import read_withdrawn
from lorag.stages import run_stage
from lorag.strategies import AdapterKind, Strategy
from lorag.use_cases.refresh import steps as refresh_steps
from lorag.use_cases.serve.answer import answer_served
from lorag.use_cases.serve.answer_result import AnswerResult
from lorag.use_cases.serve.manage_releases import check_releases, roll_back
from tests.tiny import make_tiny_model
from tests.use_cases.conftest import Place

QUESTION = "How deep is berth 4 of the Quellwick basin?"


def ask(place: Place, strategy: Strategy, *, question: str = QUESTION, as_of: str | None = None) -> AnswerResult:
    return answer_served(question, strategy, place.workspace, place.params, {}, as_of=as_of)


def flip(place: Place, sha256: str) -> None:
    path = place.workspace.adapters / sha256 / WEIGHTS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_each_strategy_answers_from_the_served_release(served: Place) -> None:
    with pytest.raises(WorkspaceError, match="no tuned adapter.*lorag retrain --adapter tuned"):
        ask(served, Strategy.TUNED)
    served.publish_adapter(1, AdapterKind.TUNED)
    release = served.publish_adapter(2, AdapterKind.HYBRID)
    assert sorted(release.adapters) == ["hybrid", "tuned"], "a retrain of one leaves the other"
    answers = {
        strategy: ask(served, strategy) for strategy in (Strategy.BASE, Strategy.RAG, Strategy.TUNED, Strategy.HYBRID)
    }
    assert {answer.release for answer in answers.values()} == {release.id}
    assert answers[Strategy.TUNED].answer.context == ()
    assert answers[Strategy.HYBRID].answer.context == answers[Strategy.RAG].answer.context != ()
    written = [answers[name].answer.withheld for name in (Strategy.HYBRID, Strategy.RAG)]
    assert None not in written and written[0] != written[1], "the adapter has no effect"
    assert answers[Strategy.TUNED].answer.text != answers[Strategy.BASE].answer.text
    unknown = ask(served, Strategy.HYBRID, question="zzz qqq xxyx")
    assert (unknown.answer.text, unknown.answer.abstained) == (NOTHING_FOUND, True)


def test_a_refresh_carries_adapters_over_and_rollback_crosses_both_kinds(served: Place) -> None:
    first = served.publish_adapter(1)
    assert first.generation == 2
    assert first.index.generation == 1, "the index was not touched"
    before = ask(served, Strategy.TUNED).answer.text
    (served.source / "berths.md").write_text("# Berths\n\nBerth 4 of the Quellwick basin is 8.40 metres deep now.\n")
    refreshed = served.refresh()
    assert refreshed.generation == refreshed.index.generation == 3
    assert refreshed.adapters == first.adapters
    second = served.publish_adapter(2)
    assert second.content_digest == refreshed.content_digest
    after = ask(served, Strategy.TUNED).answer.text
    assert after != before

    def back(to: str | None = None) -> int:
        return roll_back(served.workspace, served.params, {}, to).generation

    assert back() == 3
    assert ask(served, Strategy.TUNED).answer.text == before
    assert back() == 2
    assert back() == 1
    with pytest.raises(WorkspaceError, match="no tuned adapter"):
        ask(served, Strategy.TUNED)
    assert ask(served, Strategy.TUNED, as_of="4").answer.text == after
    assert back("4") == 4


def test_a_rolled_back_adapter_stays_away_from_refreshes_and_other_retrains(served: Place) -> None:
    champion = served.publish_adapter(1)
    bad = served.publish_adapter(2)
    roll_back(served.workspace, served.params, {}, champion.id)

    kept = refresh_as_scheduled(served)
    assert (kept.adapters, kept.content_digest) == (champion.adapters, bad.content_digest), "nothing had changed"
    assert refresh_as_scheduled(served).id == kept.id
    (served.source / "new.md").write_text("# New\n\nThe new crane of pier 9 lifts 40 tonnes at most.\n")
    assert refresh_as_scheduled(served).adapters == champion.adapters
    both = served.publish_adapter(3, AdapterKind.HYBRID)
    assert both.adapters[AdapterKind.TUNED] == champion.adapters[AdapterKind.TUNED]

    withdrawn = bad.adapters[AdapterKind.TUNED].sha256
    assert read_withdrawn(served.workspace.state) == {withdrawn}
    roll_back(served.workspace, served.params, {}, bad.id)
    assert withdrawn not in read_withdrawn(served.workspace.state), "a person says so"


def refresh_as_scheduled(place: Place) -> Release:
    """What the flow does: nothing is published where the newest release is what is wanted."""
    store = open_store(place.params.index, place.workspace.state, {})
    try:
        for stage in ("documents", "chunks", "embeddings"):
            run_stage(stage, place.workspace.root)
        planned = refresh_steps.plan(place.workspace, place.params, store, rebuild=False, allow_shrink=True)
        current = refresh_steps.current_release(planned)
        if current is not None:
            return refresh_steps.serve_again(place.workspace, planned, current)
    finally:
        store.close()
    return place.refresh()


def test_adapters_go_with_the_last_release_that_names_them(served: Place) -> None:
    text = served.workspace.params_file.read_text()
    served.workspace.params_file.write_text(text.replace("retain_generations: 5", "retain_generations: 2"))
    shas = [served.publish_adapter(seed).adapters[AdapterKind.TUNED].sha256 for seed in (1, 2, 3)]
    assert {path.name for path in served.workspace.adapters.iterdir()} == set(shas[1:])
    (served.source / "new.md").write_text("# New\n\nThe new crane of pier 9 lifts 40 tonnes at most.\n")
    served.refresh()
    (served.source / "newer.md").write_text("# Newer\n\nThe newer crane of pier 8 lifts 50 tonnes at most.\n")
    served.refresh()
    assert {path.name for path in served.workspace.adapters.iterdir()} == {shas[2]}
    assert ask(served, Strategy.TUNED).answer.generated_tokens > 0


def test_a_damaged_adapter_is_never_answered_from(served: Place) -> None:
    first, second = served.publish_adapter(1), served.publish_adapter(2)
    expected = ask(served, Strategy.TUNED, as_of=first.id).answer.text
    flip(served, second.adapters[AdapterKind.TUNED].sha256)
    found = [c for c in check_releases(served.workspace, served.params, {}) if c.problem]
    assert len(found) == 1 and found[0].name == f"adapter {second.adapters[AdapterKind.TUNED].id}"
    fallen = ask(served, Strategy.TUNED)
    assert (fallen.release, fallen.fell_back_from) == (first.id, second.id)
    assert fallen.answer.text == expected
    assert ask(served, Strategy.RAG).release == second.id, "who needs no adapter is served as before"
    with pytest.raises(IntegrityFailed, match="not what was published"):
        ask(served, Strategy.TUNED, as_of=second.id)
    flip(served, first.adapters[AdapterKind.TUNED].sha256)
    with pytest.raises(IntegrityFailed, match="no older one can"):
        ask(served, Strategy.TUNED)
    with pytest.raises(IntegrityFailed, match="not what was published"):
        roll_back(served.workspace, served.params, {}, first.id)


def test_another_base_model_refuses_the_adapter_and_a_refresh_leaves_it_behind(served: Place) -> None:
    served.publish_adapter(1)
    other = make_tiny_model(served.workspace.root.parent / "other", seed=9)
    assert base_model_sha256(str(other)) != base_model_sha256(str(served.model))
    text = served.workspace.params_file.read_text()
    served.workspace.params_file.write_text(text.replace(str(served.model), str(other)))
    with pytest.raises(IntegrityFailed, match="another base model"):
        ask(served, Strategy.TUNED)
    refreshed = served.refresh()
    assert (refreshed.adapters, refreshed.base_model_sha256) == ({}, None)
    served.workspace.params_file.write_text(text)
    assert ask(served, Strategy.TUNED, as_of="2").answer.generated_tokens > 0, (
        "what was published before is still there"
    )


def train(place: Place, seed: int, *, refused: bool) -> str:
    """Put a random adapter where a retrain leaves the one that it trained; return its id."""
    folder = place.workspace.adapter_folder(AdapterKind.TUNED)
    shutil.copytree(place.make_adapter(seed), folder, dirs_exist_ok=True)
    sha256 = adapter_sha256(folder)
    value = {"adapter": f"tuned-{sha256[:10]}", "sha256": sha256, "refusals": []}
    if refused:
        place.workspace.refusal_file(AdapterKind.TUNED).write_text(json.dumps(value))
    return f"tuned-{sha256[:10]}"


def test_a_refused_adapter_is_named_and_can_be_asked(served: Place) -> None:
    refused = train(served, 1, refused=True)
    with pytest.raises(WorkspaceError, match=rf"its gate refused {refused}.*--adapter candidate"):
        ask(served, Strategy.TUNED)
    for name in ("candidate", refused, refused.removeprefix("tuned-")[:4]):
        found = answer_served(QUESTION, Strategy.TUNED, served.workspace, served.params, {}, adapter=name)
        assert (found.adapter, found.adapter_served) == (refused, False)
    assert found.answer.text != ask(served, Strategy.BASE).answer.text, "the adapter has no effect"
    train(served, 2, refused=False)
    with pytest.raises(WorkspaceError, match="run `lorag retrain --adapter tuned`"):
        ask(served, Strategy.TUNED)


def test_an_adapter_is_asked_by_name_beside_the_served_one(served: Place) -> None:
    first, second = (served.publish_adapter(seed).adapters[AdapterKind.TUNED] for seed in (1, 2))
    answers = [
        answer_served(QUESTION, Strategy.TUNED, served.workspace, served.params, {}, adapter=entry.id)
        for entry in (first, second)
    ]
    assert [(one.adapter, one.adapter_served) for one in answers] == [(first.id, False), (second.id, True)]
    plain = ask(served, Strategy.TUNED)
    assert (plain.adapter, plain.adapter_served, plain.answer.text) == (second.id, True, answers[1].answer.text)
    assert answers[0].answer.text != answers[1].answer.text
    base = ask(served, Strategy.BASE)
    assert (base.adapter, base.adapter_served) == (None, None)


@pytest.mark.parametrize("name", ["candidate", "tuned-0000", "a"])
def test_a_name_of_no_adapter_is_one_clear_error(name: str, served: Place) -> None:
    with pytest.raises(WorkspaceError, match="no tuned adapter"):
        answer_served(QUESTION, Strategy.TUNED, served.workspace, served.params, {}, adapter=name)
    with pytest.raises(ParamsError, match="rag uses no adapter"):
        answer_served(QUESTION, Strategy.RAG, served.workspace, served.params, {}, adapter=name)
