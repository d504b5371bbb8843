"""Two evaluations in pairs: a loss beyond chance, one within it, and what must not be paired."""

from collections.abc import Sequence

from lorag.evaluation.bootstrap import Bootstrap
from lorag.evaluation.by_question import Answered, Searched
from lorag.evaluation.question_set import Topic
from lorag.evaluation.revision_check import (
    CheckedFigure,
    CheckedPart,
    Gone,
    Pairing,
    Vanished,
    check_answers,
    check_search,
    find_vanished,
)

BOOTSTRAP = Bootstrap(1_000, 0.95, 7)


def searched(name: str, rank: int | None, *, asked: str = "a", missing: bool = False, stated: bool = True) -> Searched:
    ranks = {} if missing else {"fused": (rank,), "bm25": (1,)}
    return Searched(name, name, asked, ("pier.md",), ("pier.md",) if missing else (), stated, ranks)


def ranked(ranks: Sequence[int | None]) -> list[Searched]:
    return [searched(f"q{number}", rank) for number, rank in enumerate(ranks)]


def check(
    before: Sequence[Searched], now: Sequence[Searched], then: str = "fused", *, across: bool = False
) -> CheckedPart:
    return check_search(before, now, (then, "fused"), [1, 10], BOOTSTRAP, across=across)


def figure(part: CheckedPart, measure: str) -> CheckedFigure:
    return next(each for each in part.figures if each.measure == measure)


def test_the_same_evaluation_lost_nothing_and_says_how_sure_that_is() -> None:
    rows = ranked([1] * 30 + [None] * 10)
    part = check(rows, rows)
    assert [each.measure for each in part.figures] == ["ndcg_at_10", "recall_at_1", "recall_at_10"]
    recall = figure(part, "recall_at_10")
    assert (recall.before, recall.now, recall.is_loss, recall.lost) == (0.75, 0.75, False, ())
    assert (recall.difference.low, recall.difference.high, recall.difference.n) == (0, 0, 40)
    # Wilson's upper limit of 0 of 40.
    assert 0.08 < recall.lost_share.high < 0.09


def test_a_loss_in_many_pairs_is_beyond_chance_and_one_in_few_is_not() -> None:
    before = ranked([1] * 40)
    lost = figure(check(before, ranked([None] * 10 + [1] * 30)), "recall_at_10")
    assert lost.is_loss and lost.difference.high < 0 and lost.difference.value == -0.25
    assert lost.lost == tuple(f"q{number}" for number in range(10))
    one = figure(check(before, ranked([None] + [1] * 39)), "recall_at_10")
    assert not one.is_loss and one.difference.value == -0.025 and one.lost == ("q0",)
    moved = check(ranked([3, 1, 3, 1] * 10), ranked([1, 3, 1, 3] * 10))
    assert not figure(moved, "ndcg_at_10").is_loss, "as many got more as got less"
    assert len(figure(moved, "ndcg_at_10").lost) == len(figure(moved, "ndcg_at_10").gained) == 20


def test_each_side_is_measured_by_the_retriever_that_it_used() -> None:
    rows = ranked([None] * 20)
    part = check(rows, rows, "bm25")
    assert figure(part, "recall_at_10").before == 1 and figure(part, "recall_at_10").is_loss


def test_only_questions_that_both_have_in_the_same_words_are_paired() -> None:
    before = [searched("same", 1), searched("edited", 1), searched("old", 1), searched("gone", 1)]
    now = [searched("new", None), searched("edited", None, asked="b"), searched("same", 1)]
    now.append(searched("gone", None, missing=True))
    part = check(before, now)
    assert part.questions == Pairing(("same",), edited=1, only_before=1, only_now=1, unusable=1)
    assert figure(part, "recall_at_10").now == 1
    across = check(before, now, across=True)
    assert across.questions.compared == ("edited", "same")
    assert figure(across, "recall_at_10").now == 0.5
    assert check(before[2:3], now).figures == ()


def test_a_gold_passage_vanishes_with_its_document_or_with_its_statement() -> None:
    before = [searched(name, 1) for name in ("gone", "silent", "kept", "dropped", "edited")]
    before.append(searched("never", None, missing=True))
    now = [
        searched("gone", None, missing=True, stated=False),
        searched("silent", 1, stated=False),
        searched("kept", 1),
        searched("edited", 1, asked="b", stated=False),
        searched("never", None, missing=True),
    ]
    assert find_vanished(before, now) == [
        Vanished("gone", "pier.md", Gone.DOCUMENT),
        Vanished("silent", "pier.md", Gone.STATEMENT),
    ]


def answered(topic: Topic, name: str, **as_wanted: bool) -> Answered:
    return Answered(name, name, topic, "a", as_wanted)


def test_answers_are_paired_by_topic_and_by_the_strategies_that_both_asked() -> None:
    before = [answered(Topic.FACT, f"f{n}", rag=True, tuned=True) for n in range(12)]
    before.append(answered(Topic.CONTROL, "f0", rag=True, tuned=True))
    now = [answered(Topic.FACT, f"f{n}", rag=n > 8, base=True) for n in range(12)]
    now.append(answered(Topic.CONTROL, "f0", rag=True, base=True))
    part = check_answers(before, now, BOOTSTRAP, across=False)
    assert [(each.of, each.measure, each.is_loss) for each in part.figures] == [
        ("rag", "accuracy", True),
        ("rag", "controls", False),
    ]
    assert part.figures[0].lost == tuple(f"fact:f{n}" for n in range(9))
