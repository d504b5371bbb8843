"""A small workspace with the real embedder and search, and a tokenizer without a model of use."""

import json
from pathlib import Path
from typing import Any

import pytest

from lorag.errors import ExitStatus, GateRefused, InputRejected, LoragError
from lorag.evaluation.exam import Topic
from lorag.integrations.models.generators import open_generator
from lorag.params import Params, RetrieverKind
from lorag.stages import run_stage
from lorag.strategies import AdapterKind
from lorag.tuning.pairs import PairSource, read_pairs, training_set_digest
from lorag.use_cases.retrain.build_training_set import BuiltTrainingSet, build_training_set, read_seen
from lorag.use_cases.retrain.evaluate_adapter import set_exam
from tests.use_cases.conftest import Place

FACTS = {
    "berths.md": ("How deep is berth 4?", "7.25 metres", "What depth has berth four?", "To which depth may one draw?"),
    "kitchen.md": ("When does the galley open?", "06:50", "At what time is breakfast?", "From when is food had?"),
}


def _questions(**changes: Any) -> list[dict[str, Any]]:
    rows = [
        {
            "id": f"q-{gold}",
            "question": question,
            "answers": [answer],
            "gold_doc_ids": [gold],
            "fact_id": f"f-{gold}",
            "phrasings": [phrasing],
            "held_out_phrasings": [held_out, f"For the gate: {held_out}"],
        }
        for gold, (question, answer, phrasing, held_out) in FACTS.items()
    ]
    rows[0] |= changes
    return rows


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def ready(place: Place) -> Place:
    """The index stages have run, and there are questions with one that nothing answers."""
    for stage in ("documents", "chunks", "embeddings"):
        run_stage(stage, place.workspace.root)
    _write(place.workspace.resolve(place.params.knowledge.questions), _questions())
    unknown = {"id": "u", "question": "Who painted the harbour?", "answers": [], "gold_doc_ids": []}
    _write(place.workspace.root / "unanswerable.jsonl", [unknown])
    return place


def _params(place: Place, **training_set: Any) -> Params:
    settings = place.params.training_set.model_copy(update={"min_pairs": 2, **training_set})
    knowledge = place.params.knowledge.model_copy(update={"unanswerable": "unanswerable.jsonl", "style": "style.jsonl"})
    return place.params.model_copy(update={"training_set": settings, "knowledge": knowledge})


def _build(place: Place, adapter: AdapterKind = AdapterKind.TUNED, **training_set: Any) -> BuiltTrainingSet:
    return build_training_set(adapter, place.workspace, _params(place, **training_set), environment={})


def test_both_adapters_learn_the_facts_each_in_its_way(ready: Place) -> None:
    tuned, hybrid = _build(ready), _build(ready, AdapterKind.HYBRID)
    assert tuned.counts == {"general": 1, "questions": 4, "unanswerable": 1}
    assert hybrid.counts == {"general": 1, "raft": 4, "unanswerable": 1}
    pairs = read_pairs(hybrid.folder / "train.jsonl")
    assert training_set_digest(pairs) == hybrid.digest != tuned.digest
    reading = next(pair for pair in pairs if pair.method == "gold" and pair.fact_id == "f-berths.md")
    assert reading.messages[-1].content.startswith("Text:") and "7.25 metres" in reading.messages[-1].content
    validation = read_pairs(tuned.folder / "validation.jsonl")
    asked = {pair.messages[-1].content for pair in validation}
    assert asked == {"To which depth may one draw?", "From when is food had?"}
    everything = "".join((built.folder / "train.jsonl").read_text() for built in (tuned, hybrid))
    assert not any(held_out in everything for *_, held_out in FACTS.values())
    assert (tuned.folder / "validation" / "data_docs" / "pairs.html").is_file()


def test_a_question_for_which_the_search_finds_nothing_is_answered_from_nothing(ready: Place) -> None:
    unknown = {"id": "u", "question": "Xyzzy plugh?", "answers": [], "gold_doc_ids": []}
    _write(ready.workspace.root / "unanswerable.jsonl", [unknown])
    _write(ready.workspace.root / "controls.jsonl", [unknown])
    file = ready.workspace.resolve(ready.params.knowledge.questions)
    held_out = ["How far down is it?", "Grault corge?", "Quellwick, berth 4: metres?"]
    _write(file, _questions(phrasings=["Frobnicate quux?"], held_out_phrasings=held_out))
    params = _params(ready)
    search = params.search.model_copy(update={"retriever": RetrieverKind.BM25})
    knowledge = params.knowledge.model_copy(update={"controls": "controls.jsonl"})
    params = params.model_copy(update={"search": search, "knowledge": knowledge})

    built = build_training_set(AdapterKind.HYBRID, ready.workspace, params, environment={})
    assert built.counts == {"general": 1, "raft": 4}, "served, it would be put to no model"

    exam = set_exam(AdapterKind.HYBRID, open_generator(params.generation, {}), ready.workspace, params)
    asked = {each.question: each.messages for each in exam.paper if each.topic in (Topic.FACT, Topic.REFUSAL)}
    assert asked["Xyzzy plugh?"] == asked["Grault corge?"] == ()
    assert asked["Quellwick, berth 4: metres?"]


def test_lineage_names_documents_facts_and_counts(ready: Place) -> None:
    built = _build(ready, AdapterKind.HYBRID)
    lineage = json.loads((built.folder / "lineage.json").read_text())
    assert lineage["training_set_digest"] == built.digest and lineage["counts"] == built.counts
    assert set(lineage["documents"]) == set(FACTS)
    assert set(lineage["facts"]) == {"f-berths.md", "f-kitchen.md", "u"}
    assert lineage["refused"] == []


@pytest.mark.parametrize("adapter", list(AdapterKind))
def test_the_same_inputs_give_the_same_bytes(adapter: AdapterKind, ready: Place) -> None:
    first = _build(ready, adapter)
    before = {path: path.read_bytes() for path in sorted(first.folder.rglob("*")) if path.is_file()}
    _build(ready, adapter)
    after = {path: path.read_bytes() for path in sorted(first.folder.rglob("*")) if path.is_file()}
    assert before == after
    assert _build(ready, adapter, seed=8).digest != first.digest


def test_every_source_can_be_switched(ready: Place) -> None:
    probe = {"question": "Good evening?", "pattern": "Ahoy.*"}
    _write(ready.workspace.root / "style.jsonl", [{"question": "Hello?", "answer": "Ahoy."}, probe])
    everything = {"text": True, "summarisation": True, "classification": True, "extraction": True}
    built = _build(ready, style=True, **everything)
    expected = {PairSource.TEXT, PairSource.SUMMARISATION, PairSource.EXTRACTION, PairSource.STYLE}
    assert {source.value for source in expected} <= set(built.counts)
    assert built.counts["style"] == 1, "the other line is never trained on"
    _write(ready.workspace.root / "style.jsonl", [{"question": "Good evening!", "answer": "Ahoy."}, probe])
    with pytest.raises(GateRefused, match="leakage"):
        _build(ready, style=True)
    nothing = _build(ready, questions=False, general_share=0.0, min_pairs=1)
    assert nothing.counts == {"unanswerable": 1}


def test_going_on_from_an_adapter_takes_what_changed(ready: Place) -> None:
    first = _build(ready)
    seen = read_seen(first.folder / "lineage.json")
    file = ready.workspace.resolve(ready.params.knowledge.questions)
    _write(file, _questions(answers=["7.3 metres"]))
    params = _params(ready, older_share=0.5, general_share=0.0)
    built = build_training_set(AdapterKind.TUNED, ready.workspace, params, environment={}, seen=seen)
    assert built.counts == {"older": 2, "questions": 2}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"phrasings": ["to which DEPTH may one draw"]}, GateRefused, "leakage"),  # row 44
        ({"phrasings": ["What is the capital of Sweden?"]}, GateRefused, "leakage"),  # a general control
        ({"question": "When does the galley open"}, GateRefused, "conflicting"),  # row 43
        ({"answers": ["AKIA" + "QYLPMN5HHHFPZAM2"]}, GateRefused, "secrets"),  # row 50
        ({"gold_doc_id": ["berths.md"]}, InputRejected, "did you mean"),  # row 42
    ],
)
def test_bad_questions_leave_no_training_set(
    changes: dict[str, Any], error: type[LoragError], message: str, ready: Place
) -> None:
    folder = _build(ready).folder
    _write(ready.workspace.resolve(ready.params.knowledge.questions), _questions(**changes))
    with pytest.raises(error, match=message):
        _build(ready)
    assert not (folder / "train.jsonl").exists() and not (folder / "lineage.json").exists()


def test_rows_that_cannot_be_used_are_listed_and_the_rest_goes_on(ready: Place) -> None:
    """Rows 45 and 46."""
    file = ready.workspace.resolve(ready.params.knowledge.questions)
    _write(file, [*_questions(answers=["7.25 metres " * 2_000]), _questions(id="q-gone", gold_doc_ids=["x.md"])[0]])
    built = _build(ready)
    assert built.counts["questions"] == 2
    assert {(row.name, row.reason.value) for row in built.refused} == {
        ("q-gone", "unknown_document"),
        ("f-berths.md", "too_long"),
    }


def test_too_few_pairs_train_nothing(ready: Place) -> None:
    """Row 47."""
    _write(ready.workspace.resolve(ready.params.knowledge.questions), [])
    with pytest.raises(InputRejected, match="1 training pair, at least 8") as caught:
        _build(ready, min_pairs=8)
    assert caught.value.exit_status is ExitStatus.REJECTED


def test_the_exam_reads_what_is_relevant_enough_to_be_served_and_judges_values_without_quotes(ready: Place) -> None:
    params = _params(ready, raft_quote=True)
    generator = open_generator(params.generation, {})
    near, none = (
        set_exam(AdapterKind.HYBRID, generator, ready.workspace, params.model_copy(update={"search": search})).paper
        for search in (params.search.model_copy(update={"min_similarity": limit}) for limit in (-1.0, 1.0))
    )
    facts = [(one, other) for one, other in zip(near, none, strict=True) if one.topic is Topic.FACT]
    assert facts and all(one.messages and not other.messages for one, other in facts), "nothing is that close"
    changed = [asked for asked in near if asked.topic is Topic.CHANGED_CONTEXT]
    assert all('"' not in answer for asked in changed for answer in asked.accepted)
