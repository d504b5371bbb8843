"""Drafts over a small workspace with a tiny random model: it writes nonsense, so the reader answers by quotes."""

import json

import pytest

from lorag.drafting.proposal import Writers
from lorag.drafting.records import Draft, DraftStatus, read_drafts
from lorag.errors import InputRejected, WorkspaceError
from lorag.questions.questions import read_questions
from lorag.retrieval.index.store import Filter
from lorag.stages import run_stage
from lorag.strategies import AdapterKind
from lorag.use_cases.asking.artifacts import load_wanted
from lorag.use_cases.asking.question_set import load_question_set
from lorag.use_cases.change_params import change_params
from lorag.use_cases.compare.steps import choose_strategies
from lorag.use_cases.draft.draft_questions import DraftOutcome, draft_questions
from lorag.use_cases.draft.review_drafts import open_review, review_drafts
from lorag.use_cases.retrain.build_training_set import build_training_set
from lorag.use_cases.retrain.forecast import forecast_training
from lorag.use_cases.retrain.steps import choose_adapters
from lorag.use_cases.serve.serve import open_served
from tests.tiny import BASE_MODEL
from tests.use_cases.conftest import Place

SENTENCES = (
    "The crossing to Orrasay takes 74 minutes at service speed.",
    "The manifests of the ferry are deleted after 60 days.",
    "The lead crane driver is Orla Petheram.",
    "The lamp of the Stavrum pier is lit at 18:30 every evening.",
    "The yearly retainer of the tug is \u00a327,800 for the harbour.",
)


def _served(place: Place) -> Place:
    for at, sentence in enumerate(SENTENCES):
        (place.source / f"page{at}.md").write_text(f"# Page {at}\n\n{sentence}\n")
    place.refresh()
    return place


def _draft(place: Place, count: int = 20, **options: object) -> DraftOutcome:
    return draft_questions(place.workspace, place.params, {}, count=count, writers=Writers.FORMS, **options)  # type: ignore[arg-type]


def test_drafts_are_found_answered_and_only_about_their_passage(place: Place) -> None:
    found = _draft(_served(place))
    drafts = {draft.answers[0]: draft for draft in found.drafts}
    assert {"74 minutes", "60 days", "Orla Petheram", "18:30", "7.25 metres"} <= drafts.keys()
    assert drafts["60 days"].question == "After how many days are the manifests of the ferry deleted?"
    assert found.output == place.workspace.root / "drafts.jsonl"
    assert read_drafts(found.output) == list(found.drafts)
    assert found.tried == len(found.drafts) + sum(found.dropped.values())
    with open_served(place.workspace, place.params, {}) as served:
        for draft in found.drafts:
            assert draft.sentence in draft.passage and draft.answers[0] in draft.sentence
            where = Filter(draft.gold_doc_ids)
            hits = served.searcher.search([draft.question], place.params.search, where=where).hits
            assert draft.chunk_id in [hit.chunk.id for hit in hits]
            wordings = [*draft.phrasings, *draft.held_out_phrasings]
            assert len({draft.question, *wordings}) == 1 + len(wordings) >= 2


def test_an_interrupted_run_loses_nothing_and_the_next_one_goes_on(place: Place) -> None:
    _served(place)
    seen: list[Draft] = []

    def stop_at_the_second(draft: Draft) -> None:
        seen.append(draft)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _draft(place, on_draft=stop_at_the_second)
    path = place.workspace.root / "drafts.jsonl"
    assert read_drafts(path) == seen
    rest = _draft(place)
    assert not {draft.id for draft in rest.drafts} & {draft.id for draft in seen}
    assert read_drafts(path) == [*seen, *rest.drafts]
    again = _draft(place)
    assert (again.drafts, again.tried) == ((), 0), "what was drafted or tried in vain is not tried again"


def test_new_passages_are_asked_about_first(place: Place) -> None:
    _served(place)
    (place.source / "new.md").write_text("# News\n\nThe bell of the tower is rung at 05:35 every morning.\n")
    place.refresh()
    found = _draft(place, count=1)
    assert [(draft.answers[0], draft.changed) for draft in found.drafts] == [("05:35", True)]
    assert 0 < found.n_changed < found.n_candidates


def test_only_named_documents_are_asked_about(place: Place) -> None:
    found = _draft(_served(place), documents=["page2.md"])
    assert {draft.gold_doc_ids for draft in found.drafts} == {("page2.md",)}
    with pytest.raises(InputRejected, match="no document 'page9.md'"):
        _draft(place, documents=["page9.md"])


def test_a_question_that_exists_is_not_drafted_again(place: Place) -> None:
    _served(place)
    line = {
        "id": "own",
        "question": "Who is the lead crane driver?",
        "answers": ["Orla Petheram"],
        "gold_doc_ids": ["page2.md"],
    }
    place.workspace.resolve(place.params.knowledge.questions).write_text(json.dumps(line) + "\n")
    assert "Orla Petheram" not in {draft.answers[0] for draft in _draft(place).drafts}


def test_after_its_minutes_a_run_tries_no_further_sentence(place: Place) -> None:
    found = _draft(_served(place), minutes=0.0)
    assert (found.drafts, found.tried) == ((), 0) and found.n_candidates > 0


def test_without_a_release_nothing_is_drafted(place: Place) -> None:
    with pytest.raises(WorkspaceError, match="nothing is served yet"):
        _draft(place)


def test_accepted_drafts_are_trained_on_and_compared(place: Place) -> None:
    _served(place)
    workspace, params = place.workspace, place.params
    for refused in (lambda: choose_strategies(workspace, params), lambda: choose_adapters(workspace, params, ())):
        with pytest.raises(WorkspaceError, match=r"no questions.*lorag questions draft"):
            refused()
    drafts = _draft(place).drafts
    review_drafts(open_review(workspace, params, reviewer="Ada"), [draft.id for draft in drafts], ())
    questions = read_questions(workspace.resolve(params.knowledge.questions))
    assert [question.id for question in questions] == [draft.id for draft in drafts]
    asked = load_question_set(load_wanted(workspace), workspace, params)
    assert {draft.id for draft in drafts} <= {question.id for question in asked}
    assert choose_adapters(workspace, params, ()) == [*AdapterKind]
    run_stage("starting_adapter", workspace.root, "tuned")
    build_training_set(AdapterKind.TUNED, workspace, params, environment={})
    forecast = forecast_training(AdapterKind.TUNED, workspace, params, {})
    assert not forecast.stops and len(forecast.facts) == len(drafts)
    assert all(fact.n_wordings > 1 and fact.n_held_out for fact in forecast.facts)
    assert {draft.status for draft in read_drafts(workspace.root / "drafts.jsonl")} == {DraftStatus.ACCEPTED}


@pytest.mark.slow
def test_the_real_model_keeps_only_what_it_answers_from_the_sentence(place: Place) -> None:
    change_params(place.workspace.params_file, {"generation": {"model": BASE_MODEL, "max_new_tokens": 32}})
    found = draft_questions(_served(place).workspace, place.params, {}, count=3)
    assert len(found.drafts) == 3 and found.kept == {"form": 3}
    assert found.cost.use.tokens_prompt > 0 and "SmolLM2" in found.model
    assert all(draft.phrasings and draft.answered_by in ("generated", "quoted") for draft in found.drafts)
