from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from lorag.answering.declining import DECLINE
from lorag.knowledge.documents import Chunk, Document
from lorag.params import AnsweringParams, Params
from lorag.questions.facts import Fact, states
from lorag.tuning.pairs import Pair, PairSource
from lorag.tuning.raft import RaftMaker

ANSWERING = AnsweringParams(context_chunks=2, context_sentences=2, min_support=0.5)


def _select(chunks: Sequence[Chunk]) -> list[Chunk]:
    return list(chunks[:2])


@pytest.fixture
def raft(facts: list[Fact], chunks: list[Chunk], documents: list[Document], params: Params) -> RaftMaker:
    """The search finds all chunks, the painted hulls first."""
    found = list(reversed(chunks))
    wordings = [text for fact in facts for _, text in fact.training_wordings]
    versions = {document.id: document.version for document in documents}
    shares = {"raft_without_gold_share": 0.25, "raft_changed_share": 0.25}
    settings = params.training_set.model_copy(update=shares)
    return RaftMaker(facts, dict.fromkeys(wordings, found), versions, _select, ANSWERING, settings)


def _read(pair: Pair) -> str:
    """The passages of a prompt."""
    return pair.messages[-1].content.split("Question:")[0]


def test_shares_are_kept_and_each_kind_answers_from_what_it_shows(raft: RaftMaker) -> None:
    pairs = raft.pairs()
    assert Counter(pair.method for pair in pairs) == {"gold": 4, "without gold": 2, "changed answer": 2}
    accepted = {fact.id: fact.question.answers for fact in raft.facts}
    for pair in pairs:
        assert pair.fact_id is not None
        truths = accepted[pair.fact_id]
        if pair.method == "gold":
            assert pair.answer == truths[0] and states(_read(pair), truths[0])
        elif pair.method == "without gold":
            assert pair.answer == DECLINE and not any(states(_read(pair), truth) for truth in truths)
        else:
            assert pair.answer not in truths and states(_read(pair), pair.answer)
            assert not any(states(_read(pair), truth) for truth in truths)


def test_the_same_input_gives_the_same_pairs_and_another_seed_others(raft: RaftMaker) -> None:
    pairs = raft.pairs()
    assert [pair.id for pair in raft.pairs()] == [pair.id for pair in pairs]
    reordered = replace(raft, facts=list(reversed(raft.facts)))
    assert {pair.id for pair in reordered.pairs()} == {pair.id for pair in pairs}
    reseeded = replace(raft, params=raft.params.model_copy(update={"seed": 8}))
    assert {pair.id for pair in reseeded.pairs()} != {pair.id for pair in pairs}


def test_a_missed_gold_chunk_is_put_in_and_takes_the_place_of_another(raft: RaftMaker, facts: list[Fact]) -> None:
    depth = facts[0]
    pair = raft.gold(depth, "How deep is berth 4?")  # the search has it last, beyond the two that are read
    assert "c-harbour/berths.md" in pair.chunk_ids and len(pair.chunk_ids) == 2
    assert set(pair.documents) == {chunk.removeprefix("c-") for chunk in pair.chunk_ids}


def test_an_answer_that_shortening_drops_is_shown_all_the_same(raft: RaftMaker, facts: list[Fact]) -> None:
    pilot = facts[3]
    far = replace(pilot, question=pilot.question.model_copy(update={"question": "Hulls in spring when dry?"}))
    ranked = {"Hulls in spring when dry?": raft.ranked["Who is the pilot?"]}
    one = replace(raft, ranked=ranked, answering=ANSWERING.model_copy(update={"context_sentences": 1}))
    assert states(_read(one.gold(far, "Hulls in spring when dry?")), "Casimir Holt")


def test_a_changed_answer_names_the_document_that_lent_the_value(raft: RaftMaker, facts: list[Fact]) -> None:
    depth = raft.changed(facts[0], "How deep is berth 4?")
    assert depth is not None and depth.answer == "2.1 metres"
    assert "fleet/ships.md" in depth.documents


def test_a_quote_follows_the_answer_and_stands_in_the_passage(raft: RaftMaker, facts: list[Fact]) -> None:
    quoting = replace(raft, params=raft.params.model_copy(update={"raft_quote": True}))
    gold = quoting.gold(facts[0], "How deep is berth 4?")
    assert gold.answer == '7.2 metres ("Berth 4 is 7.2 metres deep at low water.")'
    changed = quoting.changed(facts[0], "How deep is berth 4?")
    assert changed is not None and changed.answer == '2.1 metres ("Berth 4 is 2.1 metres deep at low water.")'


def test_without_a_chunk_to_show_only_the_gold_one_is_learned_from(raft: RaftMaker, facts: list[Fact]) -> None:
    """Served, a question for which nothing is found is put to no model."""
    depth, wording = facts[0], "How deep is berth 4?"
    missed = replace(raft, ranked={wording: [], "Who owns the moon?": []})
    assert missed.gold(depth, wording).chunk_ids == ("c-harbour/berths.md",)
    assert missed.without_gold(depth, wording) is None
    assert missed.declined("u-1", "Who owns the moon?", PairSource.UNANSWERABLE, "canonical") is None
    full = replace(raft, select=lambda chunks: [])
    assert full.gold(depth, wording).chunk_ids == ("c-harbour/berths.md",)
    assert full.without_gold(depth, wording) is None


def test_what_no_document_answers_is_declined_with_what_the_search_finds(raft: RaftMaker, chunks: list[Chunk]) -> None:
    asking = replace(raft, ranked={"Who owns the moon?": chunks})
    pair = asking.declined("u-1", "Who owns the moon?", PairSource.UNANSWERABLE, "canonical")
    assert pair is not None
    assert pair.answer == DECLINE and pair.chunk_ids == ("c-harbour/berths.md", "c-harbour/people.md")
    assert pair.messages[-1].content.rstrip().endswith("Question: Who owns the moon?")
