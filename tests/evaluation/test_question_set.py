"""Which questions are asked, and in which words."""

from lorag.evaluation.question_set import Topic, compile_questions, question_set_digest
from lorag.knowledge.documents import Chunk
from lorag.params import Wording
from lorag.questions.facts import Fact
from lorag.questions.questions import Question
from lorag.questions.style import StyleProbe

CHUNK = Chunk("c1", "pier.md", "Pier", "The pier is 90 metres long.")


def make_question(name: str, **more: object) -> Question:
    values = {"id": name, "question": f"{name}?", "answers": ["90 metres"], "gold_doc_ids": ["pier.md"]} | more
    return Question.model_validate(values)


def make_fact(question: Question) -> Fact:
    return Fact(question.fact_id or question.id, question, {"pier.md": "v1"}, (CHUNK,), True)


FACTS = [
    make_fact(make_question("a", fact_id="f-a", phrasings=["trained a"], held_out_phrasings=["stop a", "last a"])),
    make_fact(make_question("b", change="changed")),
]
CONTROL = make_question("c", gold_doc_ids=[], held_out_phrasings=["c in other words"])
UNKNOWN = make_question("d", answers=[], gold_doc_ids=[], phrasings=["d again"], held_out_phrasings=["d at last"])


def test_facts_are_asked_in_their_last_held_out_wording() -> None:
    asked = compile_questions(FACTS, [], [], [], Wording.HELD_OUT, None)
    assert [(q.id, q.fact_id, q.text, q.stratum) for q in asked] == [
        ("a", "f-a", "last a", "unlabelled"),
        ("b", "b", "b?", "changed"),
    ]
    assert (asked[0].gold_documents, asked[0].gold_chunks) == (("pier.md",), ("c1",))
    plain = compile_questions(FACTS, [], [], [], Wording.QUESTION, None)
    assert [question.text for question in plain] == ["a?", "b?"]
    assert question_set_digest(plain) != question_set_digest(asked)


def test_what_adapters_learn_to_decline_is_asked_in_no_trained_wording() -> None:
    unknown = UNKNOWN.model_copy(update={"id": "u"})
    asked = compile_questions([], [CONTROL, UNKNOWN], [unknown], [], Wording.HELD_OUT, None)
    assert [(q.topic, q.id, q.text) for q in asked] == [
        (Topic.CONTROL, "c", "c in other words"),
        # No wording of a control is trained on.
        (Topic.UNANSWERABLE, "d#1", "d?"),
        (Topic.UNANSWERABLE, "d#2", "d again"),
        (Topic.UNANSWERABLE, "d#3", "d at last"),
        (Topic.UNANSWERABLE, "u#1", "d at last"),
    ]
    assert {question.fact_id for question in asked if question.id.startswith("d#")} == {"d"}


def test_what_asks_for_style_has_a_pattern_that_is_part_of_the_digest() -> None:
    probes = [StyleProbe("Hello?", "Ahoy.*"), StyleProbe("Bye?", "Ahoy.*")]
    asked = compile_questions([], [], [], probes, Wording.HELD_OUT, None)
    assert [(q.topic, q.id, q.text, q.pattern) for q in asked] == [
        (Topic.STYLE, "style-1", "Hello?", "Ahoy.*"),
        (Topic.STYLE, "style-2", "Bye?", "Ahoy.*"),
    ]
    others = compile_questions([], [], [], [StyleProbe("Hello?", "Aye.*"), probes[1]], Wording.HELD_OUT, None)
    assert question_set_digest(asked) != question_set_digest(others)


def test_a_limit_keeps_some_by_hash_and_a_larger_one_keeps_those_too() -> None:
    facts = [make_fact(make_question(f"q{number}")) for number in range(40)]
    few, more, every = (
        [question.id for question in compile_questions(facts, [], [], [], Wording.HELD_OUT, limit)]
        for limit in (5, 20, None)
    )
    assert (len(few), len(more), len(every)) == (5, 20, 40)
    assert set(few) < set(more)
    assert few != every[:5], "chosen by hash, not by place"
    assert more == [name for name in every if name in more], "in the order of the file"


def test_at_least_half_of_a_limit_are_facts() -> None:
    facts = [make_fact(make_question(f"f{number}")) for number in range(7)]
    controls = [make_question(f"c{number}", gold_doc_ids=[]) for number in range(40)]
    for limit, n_facts in ((1, 1), (5, 3), (14, 7), (30, 7), (46, 7)):
        found = compile_questions(facts, controls, [], [], Wording.HELD_OUT, limit)
        assert (len(found), sum(one.topic is Topic.FACT for one in found)) == (limit, n_facts)


def test_a_limit_counts_questions_of_one_id_apart() -> None:
    controls = [make_question(f"q{number}", gold_doc_ids=[]) for number in range(20)]
    facts = [make_fact(make_question(f"q{number}")) for number in range(20)]
    assert len(compile_questions(facts, controls, [], [], Wording.HELD_OUT, 5)) == 5
