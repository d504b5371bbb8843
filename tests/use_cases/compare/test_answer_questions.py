"""All questions at once, on a tiny model: as streamed, only once, and with an ideal context beside the real one."""

import json
from collections.abc import Sequence

import pytest

from lorag.errors import IntegrityFailed, WorkspaceError
from lorag.evaluation.answer_rows import AnswerRow, read_answers, write_answers
from lorag.evaluation.question_set import Topic
from lorag.integrations.models.generators import open_generator
from lorag.params_file import load_params
from lorag.stages import run_stage
from lorag.strategies import AdapterKind, Strategy
from lorag.use_cases.asking.answer_questions import answer_questions, forget_batch, read_batch
from lorag.use_cases.change_params import change_params
from lorag.use_cases.compare.compare_answers import load_answers
from lorag.use_cases.compare.measure_speed import choose_timed, measure_speed
from lorag.use_cases.compare.steps import choose_strategies
from lorag.use_cases.serve.serve import answer_from, open_served
from tests.endpoint import send_events, serve
from tests.use_cases.conftest import Place

QUESTIONS = [
    {
        "id": "depth",
        "question": "How deep is berth 4?",
        "answers": ["7.25 metres"],
        "gold_doc_ids": ["berths.md"],
        "held_out_phrasings": ["Berth 4: depth at the lowest tide of the year?"],
        "change": "changed",
    },
    {
        "id": "galley",
        "question": "When does the galley open?",
        "answers": ["06:50"],
        "gold_doc_ids": ["kitchen.md"],
    },
]


CONTROL = {"id": "depth", "question": "How many legs has a spider?", "answers": ["eight"], "gold_doc_ids": []}
"""With the id of a fact."""


@pytest.fixture
def asked(served: Place) -> Place:
    path = served.workspace.resolve(served.params.knowledge.questions)
    path.write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    served.workspace.resolve(served.params.knowledge.controls).write_text(json.dumps(CONTROL) + "\n")
    text = served.workspace.params_file.read_text()
    served.workspace.params_file.write_text(text.replace("min_similarity: 0.3", "min_similarity: 0.45"))
    return served


def rows_of(place: Place, strategy: str, name: str = "answers.jsonl") -> list[AnswerRow]:
    return read_answers(place.workspace.answers / strategy / name)


def facts(rows: Sequence[AnswerRow]) -> dict[str, AnswerRow]:
    return {row.question.id: row for row in rows if row.question.topic is Topic.FACT}


def test_rag_answers_in_a_batch_what_it_streams(asked: Place) -> None:
    # The questions are rewritten by the model that answers, in the batch as where it serves.
    file = asked.workspace.params_file
    file.write_text(file.read_text().replace("rewriting: none", "rewriting: hyde"))
    run_stage("answers", asked.workspace.root, "rag")
    rows = facts(rows_of(asked, Strategy.RAG))
    assert rows["depth"].question.text == "Berth 4: depth at the lowest tide of the year?"
    assert rows["depth"].question.stratum == "changed"
    assert rows["depth"].retrieved is not None and rows["depth"].retrieved[0] == "berths.md"
    with open_served(asked.workspace, asked.params, {}) as served:
        generator = open_generator(asked.params.generation, {})
        for row in rows_of(asked, Strategy.RAG):
            assert answer_from(row.question.text, Strategy.RAG, served, generator, asked.params) == row.answer
    declined = [row for row in rows_of(asked, Strategy.RAG) if row.answer.abstained]
    assert declined and all(row.answer.context == () for row in declined), "some of the controls have no context"

    ideal = facts(rows_of(asked, Strategy.RAG, "answers_ideal.jsonl"))
    assert set(ideal) == {"depth", "galley"}
    for row in ideal.values():
        assert row.answer.context[0] == row.question.gold_chunks[0]
        assert row.retrieved is None


def test_what_is_known_is_neither_generated_nor_paid_again(asked: Place) -> None:
    run_stage("answers", asked.workspace.root, "base")
    first = read_batch(Strategy.BASE, asked.workspace)
    before = (asked.workspace.answers / Strategy.BASE / "answers.jsonl").read_bytes()
    assert first is not None
    assert first.n_queries == len({row.question.text for row in rows_of(asked, Strategy.BASE)})
    assert first.cost.use.tokens_generated > 0 and first.cost.use.wall_s > 0
    run_stage("answers", asked.workspace.root, "base")
    assert (asked.workspace.answers / Strategy.BASE / "answers.jsonl").read_bytes() == before
    assert read_batch(Strategy.BASE, asked.workspace) is None
    assert not (asked.workspace.answers / Strategy.BASE / "answers_ideal.jsonl").exists()

    # One more question costs one answer.
    with asked.workspace.resolve(asked.params.knowledge.questions).open("a") as file:
        file.write(json.dumps({**QUESTIONS[1], "id": "late", "question": "How late is the galley open?"}) + "\n")
    run_stage("answers", asked.workspace.root, "base")
    third = read_batch(Strategy.BASE, asked.workspace)
    assert third is not None and third.n_queries == 1
    forget_batch(Strategy.BASE, asked.workspace)
    assert read_batch(Strategy.BASE, asked.workspace) is None


def test_a_limit_keeps_to_some(asked: Place) -> None:
    comparison = asked.params.comparison.model_copy(update={"limit": 3})
    params = asked.params.model_copy(update={"comparison": comparison})
    answer_questions(Strategy.BASE, asked.workspace, params, asked.workspace.answers / Strategy.BASE)
    assert len(rows_of(asked, Strategy.BASE)) == 3


def test_strategies_that_answered_other_questions_are_not_compared(asked: Place) -> None:
    folder = asked.workspace.answers
    with pytest.raises(WorkspaceError, match="no strategy has answered"):
        load_answers(folder, asked.params)
    run_stage("answers", asked.workspace.root, "base")
    assert list(load_answers(folder, asked.params)) == [Strategy.BASE]
    write_answers(folder / Strategy.RAG / "answers.jsonl", rows_of(asked, Strategy.BASE)[1:])
    with pytest.raises(IntegrityFailed, match="base and rag answered other questions"):
        load_answers(folder, asked.params)


def test_speed_is_of_the_served_release(asked: Place) -> None:
    run_stage("answers", asked.workspace.root, "base")
    questions = choose_timed([row.question for row in rows_of(asked, Strategy.BASE)], 5)
    assert {question.topic for question in questions} == {Topic.FACT}
    with pytest.raises(WorkspaceError, match="no tuned adapter"):
        measure_speed(Strategy.TUNED, questions, asked.workspace, asked.params, {})
    asked.publish_adapter(1, AdapterKind.TUNED)
    for strategy in (Strategy.RAG, Strategy.TUNED):
        speed = measure_speed(strategy, questions, asked.workspace, asked.params, {})  # type: ignore[arg-type]
        figures = speed.figures()
        assert len(speed.timings) == len(questions) == 2
        for timing in speed.timings:
            assert timing.asked_s is not None and timing.first_token_s is not None
            assert 0 <= timing.asked_s < timing.first_token_s <= timing.total_s
            assert (timing.answer.context != ()) == (strategy == Strategy.RAG)
        assert figures["p50_s"] <= figures["p95_s"]
        assert figures["tokens_out"] == speed.cost.use.tokens_generated / 2
        assert speed.cost.use.wall_s >= sum(timing.total_s for timing in speed.timings)


@pytest.mark.parametrize("reading", [True, False])
def test_the_tuned_adapter_reads_as_rag_does_where_that_is_wanted(asked: Place, reading: bool) -> None:
    text = asked.workspace.params_file.read_text()
    asked.workspace.params_file.write_text(text.replace("reading: true", f"reading: {str(reading).lower()}"))
    folder = asked.workspace.adapter_folder(AdapterKind.TUNED)
    folder.parent.mkdir(parents=True, exist_ok=True)
    asked.make_adapter(1).rename(folder)
    leftover = asked.workspace.answers / Strategy.TUNED / "answers_reading.jsonl"
    write_answers(leftover, [])
    for strategy in (Strategy.RAG, Strategy.TUNED):
        run_stage("answers", asked.workspace.root, strategy)
    assert leftover.exists() == reading
    answers = load_answers(asked.workspace.answers, asked.params)
    assert ("tuned_reading" in answers) == ("rag_beside" in answers) == reading
    if reading:
        read, rag = facts(answers["tuned_reading"]), facts(answers[Strategy.RAG])
        assert set(read) == set(rag) == {row.question.id for row in answers["tuned_reading"]}
        assert all(read[name].answer.context == rag[name].answer.context for name in rag), "they read the same"
        assert any(read[name].answer.context for name in read)
        beside = answers["rag_beside"]
        assert {row.question.topic for row in beside} == {Topic.CONTROL}
        assert all(row.answer.context for row in beside), "however far off"
        assert not all(row.answer.context for row in answers[Strategy.RAG] if row.question.topic is Topic.CONTROL)


def test_an_endpoint_is_compared_where_params_name_it(asked: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    change_params(asked.workspace.params_file, {"generation": {"engine": "endpoint", "endpoint_model": "served"}})
    params = load_params(asked.workspace.params_file)
    with serve(lambda handler, body: send_events(handler, ["7.25 ", "metres"])) as (address, requests):
        monkeypatch.setenv("LORAG_OPENAI_BASE_URL", address)
        answer_questions(Strategy.BASE, asked.workspace, params, asked.workspace.answers / "base")
        chosen = choose_strategies(asked.workspace, params)
    assert {row.answer.text for row in rows_of(asked, Strategy.BASE)} == {"7.25 metres"}
    assert {request["model"] for request in requests} == {"served"}
    assert chosen.strategies == (Strategy.BASE, Strategy.RAG)
    assert set(chosen.left_out) == {Strategy.TUNED, Strategy.HYBRID}
    assert chosen.notes[Strategy.RAG] == "answered by served at the endpoint in LORAG_OPENAI_BASE_URL"


def test_an_endpoint_in_the_environment_alone_is_named_and_not_compared(
    asked: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORAG_OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    chosen = choose_strategies(asked.workspace, asked.params)
    assert "the endpoint is compared if generation.engine is endpoint" in chosen.notes[Strategy.BASE]
