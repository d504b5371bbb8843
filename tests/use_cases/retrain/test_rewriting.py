"""With `search.rewriting` an adapter that reads is trained and examined on what serving would find."""

import json

import pytest

from lorag.answering.generator import LanguageModel
from lorag.answering.strategies import make_prompt
from lorag.errors import ParamsError
from lorag.evaluation.exam import Topic
from lorag.integrations.models.generators import open_generator
from lorag.params import Params, Rewriting
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.stages import run_stage
from lorag.strategies import AdapterKind, Strategy
from lorag.tuning.pairs import read_pairs
from lorag.use_cases.retrain.build_training_set import build_training_set
from lorag.use_cases.retrain.evaluate_adapter import set_exam
from lorag.use_cases.retrain.starting_adapter import write_starts
from lorag.use_cases.serve.serve import open_served, search_served
from tests.use_cases.conftest import Place

HYBRID = AdapterKind.HYBRID
BERTHS = range(1, 5)


@pytest.fixture
def asked(place: Place) -> Place:
    """Four pages that resemble each other, so that what is found depends on every query; a question for each."""
    rows = []
    for number in BERTHS:
        text = f"# Berth {number}\n\nBerth {number} of the basin is {number}.25 metres deep at the lowest tide.\n"
        (place.source / f"berth{number}.md").write_text(text)
        row = {
            "id": f"q{number}",
            "question": f"How deep is berth {number}?",
            "answers": [f"{number}.25 metres"],
            "gold_doc_ids": [f"berth{number}.md"],
            "phrasings": [f"What depth has the berth numbered {number}?"],
            "held_out_phrasings": [f"To which depth may one draw at berth {number}?"],
        }
        rows.append(json.dumps(row) + "\n")
    questions = place.workspace.resolve(place.params.knowledge.questions)
    questions.parent.mkdir(parents=True, exist_ok=True)
    questions.write_text("".join(rows))
    place.refresh()
    return place


def rewritten(place: Place, mode: Rewriting = Rewriting.HYDE) -> Params:
    search = place.params.search.model_copy(update={"rewriting": mode, "min_similarity": -1.0})
    settings = place.params.training_set.model_copy(update={"min_pairs": 2})
    return place.params.model_copy(update={"search": search, "training_set": settings})


def served_messages(texts: list[str], generator: LanguageModel, place: Place, params: Params) -> dict[str, object]:
    """The prompts of serving: the hits of the served search in the hybrid's prompt."""
    found = {}
    with open_served(place.workspace, params, {}) as served:
        for text in texts:
            hits = search_served(text, served, params, generator=generator).hits
            chunks = [hit.chunk for hit in hits]
            prompt = make_prompt(text, Strategy.HYBRID, chunks, generator, params.answering, params.generation)
            found[text] = prompt.messages
    return found


def exam_messages(generator: LanguageModel, place: Place, params: Params) -> dict[str, object]:
    paper = set_exam(HYBRID, generator, place.workspace, params).paper
    return {each.question: each.messages for each in paper if each.topic is Topic.FACT}


def gold_contexts(place: Place, params: Params) -> dict[str, tuple[str, ...]]:
    built = build_training_set(HYBRID, place.workspace, params, environment={})
    return {pair.fact_id: pair.chunk_ids for pair in read_pairs(built.folder / "validation.jsonl")}


def start_from(seed: int | None, place: Place) -> None:
    """Pin a random adapter as the start, as a retrain does."""
    shelf = AdapterShelf(place.workspace.adapters)
    files = place.make_adapter(seed).iterdir() if seed is not None else ()
    sha256 = shelf.keep({path.name: path for path in files}) if seed is not None else None
    write_starts(place.workspace, {HYBRID: sha256})
    run_stage("starting_adapter", place.workspace.root, HYBRID)


def test_the_exam_finds_what_serving_finds_with_the_questions_rewritten_by_the_examined_adapter(asked: Place) -> None:
    params = rewritten(asked)
    adapter = open_generator(params.generation, {}, asked.make_adapter(1))
    exam = exam_messages(adapter, asked, params)
    assert len(exam) == len(BERTHS)
    assert exam == served_messages(list(exam), adapter, asked, params)
    assert exam != exam_messages(adapter, asked, rewritten(asked, Rewriting.NONE))
    assert exam != exam_messages(open_generator(params.generation, {}), asked, params), (
        "another model rewrites otherwise"
    )


def test_training_finds_contexts_with_the_questions_rewritten_by_the_model_that_it_starts_from(asked: Place) -> None:
    params = rewritten(asked)
    start_from(None, asked)
    plain = gold_contexts(asked, rewritten(asked, Rewriting.NONE))
    scratch = gold_contexts(asked, params)
    assert scratch != plain
    start_from(1, asked)
    continued = gold_contexts(asked, params)
    assert continued not in (plain, scratch)


def test_training_refuses_to_rewrite_with_an_adapter_of_another_base_model(asked: Place) -> None:
    start_from(1, asked)
    record = {"base_model_sha256": "0" * 64}
    (asked.workspace.start_folder(HYBRID) / "training.json").write_text(json.dumps(record))
    with pytest.raises(ParamsError, match="another base model"):
        build_training_set(HYBRID, asked.workspace, rewritten(asked), environment={})
