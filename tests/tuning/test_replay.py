from lorag.answering.declining import DECLINE
from lorag.answering.prompts import base_messages
from lorag.questions.facts import normalise
from lorag.tuning.replay import general_controls, general_pairs

EVERYTHING = general_pairs(10_000, base_messages, seed=7)


def test_there_are_enough_general_pairs_and_controls() -> None:
    declined = [pair for pair in EVERYTHING if pair.answer == DECLINE]
    assert len(EVERYTHING) - len(declined) >= 150 and len(declined) >= 25
    assert {pair.method for pair in declined} == {"unknowable"}
    assert len(general_controls()) >= 40 and all(control.answers for control in general_controls())


def test_no_control_is_among_the_pairs() -> None:
    asked = [normalise(pair.messages[-1].content) for pair in EVERYTHING]
    assert len(set(asked)) == len(asked)
    assert not set(asked) & {normalise(control.question) for control in general_controls()}


def test_a_smaller_draw_is_part_of_a_larger_one_and_depends_on_the_seed() -> None:
    assert general_pairs(20, base_messages, seed=7) == EVERYTHING[:20]
    assert general_pairs(20, base_messages, seed=8) != EVERYTHING[:20]
