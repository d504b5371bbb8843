from dataclasses import replace

import pytest

from lorag.answering.citations import Citation
from lorag.answering.strategies import Answer, AnswerKind
from lorag.drafting.candidates import Candidate, find_candidates
from lorag.drafting.checks import DropReason, Knowledge, answers, check_wording, gist, is_repeated, keeps_words
from lorag.drafting.prompts import ask_for_question, proposal_of, read_question
from lorag.knowledge.documents import Chunk

SENTENCE = "The lamp of the Quellwick pier is lit at 18:30 every evening."
CHUNK = Chunk("c", "d", "Piers", SENTENCE)


def _candidate(chunk: Chunk = CHUNK) -> Candidate:
    return find_candidates(chunk)[0]


WORDINGS = {
    "a question of its words": ("When is the lamp of the Quellwick pier lit?", None),
    "no question mark": ("When is the lamp of the Quellwick pier lit.", DropReason.BAD_FORM),
    "two questions": ("Is it lit? When is the lamp of the Quellwick pier lit?", DropReason.BAD_FORM),
    "two sentences": ("When is the lamp lit. Otherwise the Quellwick pier?", DropReason.BAD_FORM),
    "a splice": ("When is the lamp of the Quellwick pier -- that is?", DropReason.BAD_FORM),
    "a calculation": ("How does 60 * 15 light the lamp of the Quellwick pier?", DropReason.BAD_FORM),
    "many of one thing": ("How many status was the lamp of the Quellwick pier?", DropReason.BAD_FORM),
    "many of a number": ("How many thousand lamps of the Quellwick pier are lit?", DropReason.BAD_FORM),
    "many things": ("How many different evenings is the lamp of the Quellwick pier lit?", None),
    "nothing is asked": ("Is the lamp of the Quellwick pier lit every evening?", DropReason.BAD_FORM),
    "the answer": ("What happens to the lamp of the Quellwick pier at 18:30?", DropReason.SAYS_ANSWER),
    "other words": ("Which harbour master orders the lamp of the pier?", DropReason.OTHER_WORDS),
    "another name": ("When is the lamp of the Stavrum pier lit?", DropReason.OTHER_WORDS),
    "another number": ("When is the lamp of pier 5 lit every evening?", DropReason.OTHER_WORDS),
    "hardly any of its words": ("When is the evening?", DropReason.OTHER_WORDS),
}


@pytest.mark.parametrize("case", WORDINGS)
def test_a_wording_is_refused_with_its_reason(case: str) -> None:
    text, reason = WORDINGS[case]
    assert check_wording(text, _candidate()) is reason


QUESTION = "When is the lamp of the Quellwick pier lit?"
ELSEWHERE = {
    "the same words with another time": ("The lamp of the Quellwick pier is lit at 19:15 on Sundays.", True),
    "the same fact": ("At 18:30 the Quellwick pier has its lamp lit.", True),
    "the same words without a time": ("The lamp of the Quellwick pier is lit by hand.", False),
    "another pier": ("The lamp of the Stavrum pier is lit at 19:15 on Sundays.", False),
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_a_question_that_another_passage_answers_is_noticed(case: str) -> None:
    text, wanted = ELSEWHERE[case]
    knowledge = Knowledge([CHUNK, Chunk("other", "e", "Lamps", text)])
    assert knowledge.answers_elsewhere(QUESTION, _candidate()) is wanted


def test_a_name_in_many_documents_is_common() -> None:
    chunks = [Chunk(f"c{n}", f"d{n}", "Piers", "The crew of the pier is led by Ada Lund every day.") for n in range(6)]
    assert Knowledge(chunks).is_common(_candidate(chunks[0]))
    assert not Knowledge(chunks[:2]).is_common(_candidate(chunks[0]))


def _answer(kind: AnswerKind, text: str, *, start: int = 0, chunk_id: str = "c") -> Answer:
    cited = Citation("d", "1", chunk_id, SENTENCE, start, start + len(SENTENCE))
    return Answer(text, (cited,), True, False, (chunk_id,), 1, 1, kind=kind)


def test_the_reader_has_to_give_the_value_from_this_sentence() -> None:
    candidate = _candidate()
    good = _answer(AnswerKind.GENERATED, "It is lit at 18:30.")
    assert answers(good, candidate) and answers(good, candidate, in_own_words=True)
    quoted = _answer(AnswerKind.QUOTED, SENTENCE)
    assert answers(quoted, candidate) and not answers(quoted, candidate, in_own_words=True)
    assert not answers(_answer(AnswerKind.GENERATED, "It is lit every evening."), candidate)
    assert not answers(_answer(AnswerKind.GENERATED, "18:30", chunk_id="other"), candidate)
    assert not answers(_answer(AnswerKind.GENERATED, "18:30", start=500), candidate)
    assert not answers(_answer(AnswerKind.DECLINED, "18:30"), candidate)
    assert not answers(replace(good, supported=False), candidate)


def test_a_question_that_differs_in_the_page_alone_is_repeated() -> None:
    known = {gist("What is the default value of queueLength for Solr?", "Solr")}
    assert is_repeated("What is the default value of queueLength for Azure Blob?", "Azure Blob", known)
    assert not is_repeated("What is the default value of lagCount for Azure Blob?", "Azure Blob", known)


def test_a_rewording_of_a_model_keeps_the_words() -> None:
    assert keeps_words("Which lamp is lit on the Quellwick pier, and when?", QUESTION)
    assert not keeps_words("When is the pier lit?", QUESTION)


def test_a_model_is_shown_sentence_and_value_and_read_up_to_its_question_mark() -> None:
    asked = ask_for_question(_candidate())[-1].content
    assert SENTENCE in asked and "Answer: 18:30" in asked and "Page: Piers" in asked
    assert read_question("Question: When is it lit?\nAnswer: at night?") == "When is it lit?"
    assert read_question("It is lit at night.") is None
    proposal = proposal_of("When is the lamp of the Quellwick pier lit?", _candidate())
    assert proposal is not None
    assert [check_wording(text, _candidate()) for text in proposal.wordings] == [None, None]
