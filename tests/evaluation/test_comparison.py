"""A comparison of answers that a test wrote: each figure by hand."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lorag.answering.citations import Citation
from lorag.answering.declining import NOTHING_FOUND
from lorag.answering.strategies import Answer, AnswerKind
from lorag.errors import IntegrityFailed
from lorag.evaluation.answer_kinds import count_kinds, kind_of
from lorag.evaluation.answer_measures import MEASURES, parts_of
from lorag.evaluation.answer_rows import AnswerRow, read_answers, write_answers
from lorag.evaluation.bootstrap import Bootstrap
from lorag.evaluation.comparison import SUMMARISED, Comparison, compare_answers
from lorag.evaluation.question_set import SetQuestion, Topic
from lorag.knowledge.documents import Chunk

CHUNKS = {
    "c1": Chunk("c1", "pier.md", "Pier", "The pier is 90 metres long. It has no roof."),
    "c2": Chunk("c2", "mill.md", "Mill", "The mill grinds rye."),
}
PIER = SetQuestion("q1", Topic.FACT, "f1", "changed", "How long?", ("90 metres",), ("pier.md",), ("c1",))
MILL = SetQuestion("q2", Topic.FACT, "f2", "unchanged", "Which grain?", ("rye",), ("mill.md",), ("c2",))
CAPITAL = SetQuestion("q3", Topic.CONTROL, "c1", "control", "Capital?", ("Paris",))
SHOE = SetQuestion("q4", Topic.UNANSWERABLE, "u1", "unanswerable", "Shoe size?", ())
AHOY = SetQuestion("s1", Topic.STYLE, "s1", "style", "Hello?", (), pattern=r"Pier, .+\. Over\.")
BOOTSTRAP = Bootstrap(200, 0.95, 7)


def answered(question: SetQuestion, text: str, *cited: tuple[str, str], **more: object) -> AnswerRow:
    citations = tuple(
        Citation(
            CHUNKS[chunk].document_id, "v", chunk, quote, start := CHUNKS[chunk].text.find(quote), start + len(quote)
        )
        for chunk, quote in cited
    )
    values = {"supported": bool(cited), "abstained": False, "context": (), "prompt_tokens": 3, "generated_tokens": 2}
    retrieved = more.pop("retrieved", None)
    values["read"] = tuple(((0, len(CHUNKS[name].text)),) for name in more.get("context", ()))  # type: ignore
    return AnswerRow(question, Answer(text=text, citations=citations, **values | more), retrieved)  # type: ignore


BASE = [
    answered(PIER, "It is 40 metres."),
    answered(MILL, "Rye"),
    answered(CAPITAL, "It is Paris."),
    answered(SHOE, "It is 43."),
    answered(AHOY, "Pier, hello.\nHow are you. Over."),
]
RAG = [
    answered(PIER, "90 metres", ("c1", "The pier is 90 metres long."), context=("c1", "c2"), retrieved=("pier.md",)),
    answered(MILL, "It grinds rye.", ("c1", "It has no roof."), context=("c1",), retrieved=("pier.md", "mill.md")),
    answered(CAPITAL, "I do not know."),
    answered(SHOE, NOTHING_FOUND, abstained=True, retrieved=("pier.md",)),
    answered(AHOY, "You say: Pier, hello. Over."),
]
IDEAL = [replace(RAG[0], retrieved=None), answered(MILL, "rye", ("c2", "The mill grinds rye."), context=("c2",))]


def test_each_figure() -> None:
    found = compare_answers({"base": BASE, "rag": RAG, "rag_ideal": IDEAL}, CHUNKS, [1, 5], BOOTSTRAP)
    assert found.questions == {"fact": 2, "control": 1, "unanswerable": 1, "style": 1}
    values = {name: {m: e.value for m, e in figures.items()} for name, figures in found.strategies.items()}
    assert values["base"] == {
        "accuracy": 0.5,
        "generated_right": 0.5,
        "quoted_right": 0.0,
        "exact_match": 0.5,
        "f1": pytest.approx((1 / 3 + 1) / 2, abs=1e-6),
        "wrongly_declined": 0.0,
        "abstention": 0.0,
        "controls": 1.0,
        "style": 1.0,
        # Right once, and nothing cited.
        "citation_recall": 0.0,
    }
    assert values["rag"]["accuracy"] == 1.0
    assert values["rag"]["exact_match"] == 0.5
    assert (values["rag"]["abstention"], values["rag"]["controls"]) == (1.0, 0.0)
    assert values["rag"]["style"] == 0.0, "a part of it in the wanted style is not enough"
    # The second citation stands in its chunk, but proves nothing.
    assert (values["rag"]["quotes_literal"], values["rag"]["citation_precision"]) == (1.0, 0.5)
    assert (values["rag"]["citation_recall"], values["rag"]["gold_in_context"]) == (0.5, 0.5)
    assert values["rag_ideal"]["citation_recall"] == 1.0
    assert "abstention" not in values["rag_ideal"], "only facts have an ideal context"
    assert {s: f["accuracy"].value for s, f in found.strata["base"].items()} == {"changed": 0.0, "unchanged": 1.0}
    assert found.differences["rag - base"]["accuracy"].value == 0.5
    assert "controls" not in found.differences["rag_ideal - rag"]
    assert found.retrieval is not None
    assert (found.retrieval["recall_at_1"].value, found.retrieval["recall_at_5"].value) == (0.5, 1.0)
    assert found.retrieval["ndcg_at_10"].n == 2, "facts alone have documents to be found"


def test_what_the_model_read_decides_and_not_the_chunk_it_is_from() -> None:
    """The chunk says both that the pier is 90 metres long and that it has no roof; the model reads one of them."""
    length, roof = ((0, 27),), ((28, len(CHUNKS["c1"].text)),)
    assert CHUNKS["c1"].text[slice(*roof[0])] == "It has no roof."
    read, unread = (replace(RAG[0], answer=replace(RAG[0].answer, context=("c1",), read=(s,))) for s in (length, roof))
    wrong = replace(read, answer=replace(read.answer, text="It has no roof."))
    found = compare_answers({"rag": [read, unread, wrong]}, CHUNKS, [1], BOOTSTRAP).strategies["rag"]
    assert found["gold_in_context"].value == pytest.approx(2 / 3, abs=1e-6)
    assert (found["right_when_read"].value, found["right_when_read"].n) == (0.5, 2), "unread is not misread"
    told = replace(unread, question=replace(unread.question, accepted=("roofless",)))
    found = compare_answers({"rag": [told]}, CHUNKS, [1], BOOTSTRAP).strategies["rag"]
    assert found["gold_in_context"].value == 1.0, "no words of the chunk state it, so all of them may"


def test_a_quote_that_does_not_stand_in_its_chunk_counts_against_the_strategy() -> None:
    quoted = RAG[0].answer.citations[0]
    forged = replace(RAG[0], answer=replace(RAG[0].answer, citations=(replace(quoted, quote="90 metres, they say"),)))
    gone = replace(RAG[0], answer=replace(RAG[0].answer, citations=(replace(quoted, chunk_id="gone"),)))
    for row in (forged, gone):
        found = compare_answers({"rag": [row]}, CHUNKS, [1], BOOTSTRAP).strategies["rag"]
        assert (found["quotes_literal"].value, found["citation_precision"].value, found["citation_recall"].value) == (
            0.0,
            0.0,
            0.0,
        )


def test_without_a_strategy_that_searches_there_is_no_retrieval() -> None:
    found = compare_answers({"base": BASE}, CHUNKS, [1], BOOTSTRAP)
    assert (found.retrieval, found.differences) == (None, {})


def test_it_is_plain_json_and_the_same_again() -> None:
    first, second = (
        json.dumps(compare_answers({"base": BASE, "rag": RAG}, CHUNKS, [1], BOOTSTRAP).to_json(), allow_nan=False)
        for _ in range(2)
    )
    assert first == second
    rows = list(compare_answers({"rag": RAG}, CHUNKS, [1], BOOTSTRAP).table())
    assert {(row["strategy"], row["stratum"]) for row in rows} == {
        ("rag", "all"),
        ("rag", "changed"),
        ("rag", "unchanged"),
    }


def test_the_summary_holds_a_few_figures_of_each_strategy_as_it_is_served() -> None:
    found = compare_answers({"base": BASE, "rag": RAG, "rag_ideal": IDEAL}, CHUNKS, [1], BOOTSTRAP)
    summary = found.summary()
    assert list(summary) == ["base", "rag"]
    assert set(summary["rag"]) <= set(SUMMARISED)
    assert summary["rag"]["accuracy"] == found.strategies["rag"]["accuracy"].value


def test_answers_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_answers(tmp_path / "rag" / "answers.jsonl", RAG)
    assert read_answers(tmp_path / "rag" / "answers.jsonl") == RAG
    (tmp_path / "rag" / "answers.jsonl").write_text('{"id": "q1"\n')
    with pytest.raises(IntegrityFailed, match="damaged answers.*rag/answers.jsonl:1"):
        read_answers(tmp_path / "rag" / "answers.jsonl")


def test_answers_of_an_earlier_version_are_refused_with_the_commands_that_ask_again(tmp_path: Path) -> None:
    value = RAG[0].to_json()
    del value["read"]
    (tmp_path / "answers.jsonl").write_text(json.dumps(value) + "\n")
    with pytest.raises(IntegrityFailed, match="another version of lorag") as caught:
        read_answers(tmp_path / "answers.jsonl")
    assert "`lorag upgrade`, then `lorag compare`" in caught.value.line()


def test_a_control_with_the_id_of_a_fact_is_drawn_apart_from_it() -> None:
    cited = ("c1", "The pier is 90 metres long.")
    rows = [answered(PIER, "90 metres", cited), answered(replace(CAPITAL, fact_id="f1"), "Paris", cited)]
    assert len({part.cluster for part in parts_of(MEASURES["quotes_literal"], rows, CHUNKS)}) == 2


def test_a_quote_of_the_models_own_is_judged_by_what_it_read() -> None:
    rows = [
        answered(PIER, '90 metres ("The pier is 90 metres long.")', context=("c1",)),
        answered(PIER, '40 metres ("The pier is a whole 90 metres long.")', context=("c1",)),
        answered(MILL, "rye", context=("c2",)),
    ]
    found = compare_answers({"rag": rows}, CHUNKS, [1], BOOTSTRAP).strategies["rag"]
    assert (found["own_quotes"].value, found["own_quotes"].n) == (0.5, 2)
    assert found["accuracy"].value == found["exact_match"].value == pytest.approx(2 / 3, abs=1e-6)


def test_quotes_are_counted_apart_from_what_a_model_wrote() -> None:
    quoted, declined = {"kind": AnswerKind.QUOTED}, {"kind": AnswerKind.DECLINED}
    rows = [
        answered(PIER, "The pier is 90 metres long. It has no roof.", ("c1", "It has no roof."), **quoted),
        answered(MILL, "It has no roof.", ("c1", "It has no roof."), **quoted),
        answered(PIER, "90 metres"),
        answered(MILL, "barley"),
        answered(MILL, "The text does not say.", **declined),
        answered(SHOE, "It is 43."),
    ]
    assert count_kinds(rows) == {
        "generated_right": 1,
        "generated_wrong": 1,
        "quoted_right": 1,
        "quoted_wrong": 1,
        "declined": 1,
    }
    found = compare_answers({"rag": rows}, CHUNKS, [1], BOOTSTRAP)
    assert found.kinds == {"rag": count_kinds(rows)}
    figures = found.strategies["rag"]
    assert [figures[name].value for name in ("accuracy", "generated_right", "quoted_right")] == [0.4, 0.2, 0.2]
    assert Comparison.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_quote_that_speaks_of_not_knowing_is_no_refusal() -> None:
    assert kind_of(answered(PIER, "It is not known who built it.", kind=AnswerKind.QUOTED)) == "quoted_wrong"


def test_answers_of_a_version_without_kinds_can_be_read(tmp_path: Path) -> None:
    lines = []
    for row in RAG:
        value = row.to_json()
        del value["kind"], value["reason"]
        lines.append(json.dumps(value) + "\n")
    (tmp_path / "answers.jsonl").write_text("".join(lines), encoding="utf-8")
    kinds = [row.answer.kind for row in read_answers(tmp_path / "answers.jsonl")]
    assert kinds == [AnswerKind.DECLINED if row.answer.abstained else AnswerKind.GENERATED for row in RAG]


def test_a_comparison_of_a_version_without_kinds_can_be_read() -> None:
    value = compare_answers({"rag": RAG}, CHUNKS, [1], BOOTSTRAP).to_json()
    del value["kinds"]
    assert Comparison.from_json(value).kinds == {}


def test_strategies_come_in_their_own_order_and_before_their_variants() -> None:
    names = ("base", "rag", "rag_ideal", "tuned", "hybrid", "hybrid_ideal")
    found = compare_answers(dict.fromkeys(names, RAG), CHUNKS, [1], BOOTSTRAP)
    read = Comparison.from_json(json.loads(json.dumps(found.to_json(), sort_keys=True)))
    assert tuple(read.strategies) == tuple(read.strata) == names
