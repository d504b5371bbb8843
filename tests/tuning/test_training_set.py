from collections.abc import Sequence

import pytest

from lorag.errors import ExitStatus, InputRejected
from lorag.params import Params, TrainingSetParams
from lorag.questions.facts import Fact, RefusedReason, fact_digests
from lorag.questions.questions import Question
from lorag.strategies import AdapterKind
from lorag.tuning.pairs import Pair, PairSource, training_set_digest
from lorag.tuning.prompting import ASK
from lorag.tuning.training_set import PairTokens, Seen, TrainingSet, assemble_training_set


def _count(pair: Pair) -> PairTokens:
    """Words for tokens."""
    return PairTokens(len(pair.text.split()), len(pair.answer.split()))


def _pairs(facts: Sequence[Fact]) -> list[Pair]:
    return [
        Pair(
            PairSource.QUESTIONS, tuple(ASK[AdapterKind.TUNED](text)), fact.answer, fact.id, fact.documents, (), method
        )
        for fact in facts
        for method, text in fact.training_wordings
    ]


@pytest.fixture
def settings(params: Params) -> TrainingSetParams:
    return params.training_set.model_copy(update={"min_pairs": 1, "general_share": 0.2})


def _assemble(
    pairs: Sequence[Pair], facts: Sequence[Fact], settings: TrainingSetParams, seen: Seen | None = None
) -> TrainingSet:
    return assemble_training_set(
        pairs, [], [], facts, seen=seen, ask=ASK[AdapterKind.TUNED], count=_count, params=settings
    )


def test_general_pairs_make_up_their_share(facts: list[Fact], settings: TrainingSetParams) -> None:
    built = _assemble(_pairs(facts), facts, settings)
    assert built.counts == {"general": 2, "questions": 8}
    assert "general" not in _assemble(_pairs(facts), facts, settings.model_copy(update={"general_share": 0.0})).counts


def test_order_and_content_depend_on_the_seed_alone(facts: list[Fact], settings: TrainingSetParams) -> None:
    built = _assemble(_pairs(facts), facts, settings)
    shuffled = _assemble(_pairs(facts)[::-1], facts[::-1], settings)
    assert built.train == shuffled.train
    reseeded = _assemble(_pairs(facts), facts, settings.model_copy(update={"seed": 8}))
    assert [pair.id for pair in reseeded.train] != [pair.id for pair in built.train]


def test_a_pair_that_is_there_twice_is_learned_once(facts: list[Fact], settings: TrainingSetParams) -> None:
    """Row 43: duplicates with the same answer."""
    pairs = _pairs(facts)
    twice = [*pairs, *(Pair(PairSource.QUESTIONS, p.messages, p.answer, "other name") for p in pairs)]
    assert training_set_digest(_assemble(twice, facts, settings).train) == training_set_digest(
        _assemble(pairs, facts, settings).train
    )


def test_too_long_a_pair_is_refused_and_not_cut(facts: list[Fact], settings: TrainingSetParams) -> None:
    """Row 46: an answer of a hundred thousand tokens."""
    long = Pair(PairSource.QUESTIONS, tuple(ASK[AdapterKind.TUNED]("What?")), "word " * 100_000, "long")
    wide = Pair(PairSource.RAFT, tuple(ASK[AdapterKind.TUNED]("Why? " * 2_000)), "so", "wide")
    text = Pair(PairSource.TEXT, (), "plain " * 500)
    built = _assemble([*_pairs(facts), long, wide, text], facts, settings)
    assert [(row.name, row.reason) for row in built.refused] == [
        ("long", RefusedReason.TOO_LONG),
        ("wide", RefusedReason.TOO_LONG),
    ]
    assert "100000 tokens, 96 allowed" in built.refused[0].detail
    assert text in built.train and max(_count(pair).total for pair in built.train) <= settings.max_pair_tokens


@pytest.mark.parametrize("n", [0, 7])
def test_too_few_pairs_train_nothing(n: int, facts: list[Fact], params: Params) -> None:
    """Row 47: the general pairs would hide that there is nothing to learn."""
    with pytest.raises(InputRejected, match=f"{n} training pairs, at least 8") as caught:
        _assemble(_pairs(facts)[:n], facts, params.training_set)
    assert caught.value.exit_status is ExitStatus.REJECTED


def test_going_on_takes_what_is_new_and_a_share_of_what_still_holds(
    facts: list[Fact], settings: TrainingSetParams
) -> None:
    digests = fact_digests(fact.question for fact in facts)
    seen = Seen({**digests, "depth": "another answer", "gone": "x"}, {})
    settings = settings.model_copy(update={"older_share": 0.5, "general_share": 0.0})
    built = _assemble(_pairs(facts), facts, settings, seen)
    assert built.counts == {"older": 3, "questions": 2}
    assert {pair.fact_id for pair in built.train if pair.source is PairSource.QUESTIONS} == {"depth"}
    older = [pair.fact_id for pair in built.train if pair.source is PairSource.OLDER]
    assert sorted(map(str, older)) == ["draught", "master", "pilot"], "each fact once before any twice"


def test_plain_text_was_seen_where_its_documents_are_the_same(settings: TrainingSetParams) -> None:
    texts = [Pair(PairSource.TEXT, (), f"text {name}", None, {name: "1"}) for name in ("a.md", "b.md", "c.md")]
    none = settings.model_copy(update={"older_share": 0.0, "general_share": 0.0})
    built = _assemble(texts, [], none, Seen({}, {"a.md": "1", "b.md": "0"}))
    assert {pair.answer for pair in built.train} == {"text b.md", "text c.md"}


def test_what_cannot_be_answered_may_have_the_id_of_a_fact_that_holds(
    facts: list[Fact], settings: TrainingSetParams
) -> None:
    unknown = Fact("depth", Question(id="depth", question="How old?", answers=(), gold_doc_ids=()), {}, (), False)
    every = [*facts, unknown]
    digests = fact_digests(fact.question for fact in every)
    assert digests == fact_digests(fact.question for fact in facts), "the fact is the one that is known"
    declined = Pair(PairSource.UNANSWERABLE, (), "I do not know.", "depth")
    none = settings.model_copy(update={"older_share": 0.0, "general_share": 0.0})
    assert _assemble([*_pairs(facts), declined], every, none, Seen(digests, {})).train == (declined,)
