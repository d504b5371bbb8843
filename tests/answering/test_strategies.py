import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lorag.answering.declining import NOTHING_FOUND
from lorag.answering.generator import LanguageModel, Role
from lorag.answering.strategies import Answer, AnswerKind, Reason, answer_question, assemble_answer, make_prompt
from lorag.knowledge.documents import Chunk
from lorag.params import AnsweringParams, GenerationParams
from lorag.retrieval.index.store import Hit
from lorag.strategies import Strategy
from tests.alike import embed_alike

MakeModel = Callable[[str], Any]
PARAMS = AnsweringParams(context_chunks=2, context_sentences=None, min_support=0.5)
HARBOUR = Chunk(
    "c1", "harbour.md", "Harbour", "The harbour of Veldmark was opened in 1874. It was designed by Ilse Brandt."
)
MILL = Chunk("c2", "mill.md", "Mill", "The mill of Orsund grinds rye and barley.")
TOWER = Chunk("c3", "tower.md", "Tower", "The tower is 41 metres high.")
HITS = [Hit(HARBOUR, 0.9), Hit(MILL, 0.5), Hit(TOWER, 0.4)]
VERSIONS = {"harbour.md": "v1", "mill.md": "v1", "tower.md": "v1"}


def ask(
    question: str, generator: LanguageModel, generation: GenerationParams, hits: list[Hit] = HITS, **more: object
) -> Answer:
    values = {"strategy": Strategy.RAG, "on_text": None, "params": PARAMS, "embed": embed_alike} | more
    return answer_question(
        question,
        generator=generator,
        hits=hits,
        versions=VERSIONS,
        generation=generation,
        **values,
    )


def test_rag_finds_the_value_and_cites_the_sentence(model: LanguageModel, generation: GenerationParams) -> None:
    answer = ask("When was the harbour of Veldmark opened?", model, generation)
    assert "1874" in answer.text
    assert [citation.quote for citation in answer.citations] == ["The harbour of Veldmark was opened in 1874."]
    assert answer.supported and not answer.abstained
    assert (answer.kind, answer.reason) == (AnswerKind.GENERATED, None)
    assert answer.prompt_tokens > model.count_tokens(HARBOUR.text) and answer.generated_tokens > 0


def test_base_is_closed_book(model: LanguageModel, generation: GenerationParams) -> None:
    answer = ask("What is the capital of France?", model, generation, strategy=Strategy.BASE)
    assert "Paris" in answer.text
    assert answer.citations == () and answer.context == () and not answer.supported and not answer.abstained
    assert (answer.kind, answer.reason) == (AnswerKind.GENERATED, Reason.FROM_MEMORY)


def test_base_does_not_see_the_hits(scripted: MakeModel, generation: GenerationParams) -> None:
    model = scripted("1874")
    ask("When?", model, generation, strategy=Strategy.BASE)
    assert "Veldmark" not in "".join(message.content for message in model.asked[0])


def test_the_streamed_text_is_the_answer(model: LanguageModel, generation: GenerationParams) -> None:
    pieces: list[str] = []
    answer = ask("Who designed the harbour?", model, generation, on_text=pieces.append)
    assert "".join(pieces).strip() == answer.text
    assert answer == ask("Who designed the harbour?", model, generation)


def test_the_entry_of_a_setting_is_quoted_from_a_chunk_that_the_model_did_not_read(
    scripted: MakeModel, generation: GenerationParams
) -> None:
    entry = Chunk("c4", "mill.md", "Mill", "- millSpeed - How fast the stones turn. (Default: 90)")
    beside = [Hit(Chunk(f"b{at}", "mill.md", "Mill", f"The millSpeed of stone {at} is set."), 0.8) for at in range(2)]
    hits = [*beside, Hit(entry, 0.3)]
    answer = ask("What is the default of millSpeed?", scripted("It is fast."), generation, hits=hits)
    assert answer.kind is AnswerKind.QUOTED and entry.text in answer.text
    assert answer.context == ("b0", "b1")


def test_without_hits_no_model_is_asked(scripted: MakeModel, generation: GenerationParams) -> None:
    model = scripted("made up")
    pieces: list[str] = []
    answer = ask("When?", model, generation, hits=[], on_text=pieces.append)
    assert model.asked == []
    kind, reason = AnswerKind.DECLINED, Reason.NOTHING_FOUND
    assert answer == Answer(NOTHING_FOUND, (), False, True, (), 0, 0, kind=kind, reason=reason)
    assert pieces == [NOTHING_FOUND]


def test_what_no_passage_holds_is_replaced_by_the_sentence_that_answers_best(
    scripted: MakeModel, generation: GenerationParams
) -> None:
    shown: list[str] = []
    answer = ask("Who designed the harbour?", scripted("Napoleon did."), generation, on_text=shown.append)
    assert (answer.kind, answer.reason) == (AnswerKind.QUOTED, Reason.NOT_SUPPORTED)
    assert answer.text == " ".join(each.quote for each in answer.citations) == "".join(shown)
    assert answer.withheld == "Napoleon did."
    best = answer.citations[-1]
    assert HARBOUR.text[best.start : best.end] == best.quote == "It was designed by Ilse Brandt."
    assert answer.supported and not answer.abstained


def test_a_passage_is_quoted_where_the_model_writes_nothing(scripted: MakeModel, generation: GenerationParams) -> None:
    answer = ask("Who designed the harbour?", scripted(""), generation)
    assert (answer.kind, answer.citations[-1].quote) == (AnswerKind.QUOTED, "It was designed by Ilse Brandt.")


def test_a_value_from_a_sentence_that_does_not_fit_is_not_shown(
    scripted: MakeModel, generation: GenerationParams
) -> None:
    answer = ask("Who designed the harbour?", scripted("1874"), generation)
    assert (answer.kind, answer.citations[-1].quote) == (AnswerKind.QUOTED, "It was designed by Ilse Brandt.")


def test_a_question_that_no_sentence_fits_is_declined(scripted: MakeModel, generation: GenerationParams) -> None:
    def far(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.float32([[1.0, 0.0], *[[0.0, 1.0]] * (len(texts) - 1)])

    answer = ask("Which shoes are in fashion?", scripted("Red ones."), generation, embed=far)
    assert (answer.kind, answer.reason, answer.text) == (AnswerKind.DECLINED, Reason.NOTHING_FOUND, NOTHING_FOUND)
    assert (answer.withheld, answer.citations, answer.abstained) == ("Red ones.", (), False)
    assert [each.document_id for each in answer.nearest] == ["harbour.md", "mill.md"], "one of each document"


@pytest.mark.parametrize("strategy", [Strategy.RAG, Strategy.BASE])
def test_a_model_may_decline(scripted: MakeModel, generation: GenerationParams, strategy: Strategy) -> None:
    answer = ask("Who designed it?", scripted("I do not know."), generation, strategy=strategy)
    assert (answer.kind, answer.reason) == (AnswerKind.DECLINED, Reason.MODEL_DECLINED)
    assert answer.text == "I do not know." and answer.citations == () and not answer.abstained


def test_the_context_keeps_to_its_limits(scripted: MakeModel, generation: GenerationParams) -> None:
    model = scripted("1874")
    assert ask("When?", model, generation).context == ("c1", "c2")
    long = dataclasses.replace(HARBOUR, id="long", text="word " * 700)
    # A chunk that does not fit is left out; the next one may.
    assert ask("When?", model, generation, hits=[Hit(long, 1.0), *HITS]).context == ("c1",)
    asked = len(model.asked)
    assert ask("When?", model, generation, hits=[Hit(long, 1.0)]).text == NOTHING_FOUND
    assert len(model.asked) == asked, "with room for no chunk there is nothing to answer from"


def test_the_model_reads_and_cites_only_the_closest_sentences_and_only_their_chunks_are_context(
    scripted: MakeModel, generation: GenerationParams
) -> None:
    model = scripted("In 1874.")
    params = PARAMS.model_copy(update={"context_sentences": 1})
    answer = ask("When was the harbour of Veldmark opened?", model, generation, params=params)
    assert "1874" in model.asked[0][-1].content and "Ilse" not in model.asked[0][-1].content
    assert answer.kind is AnswerKind.GENERATED
    assert answer.context == ("c1",), "nothing of the other chunk was shown"
    assert [HARBOUR.text[start:end] for (start, end) in answer.read[0]] == [
        "The harbour of Veldmark was opened in 1874."
    ]


def test_the_question_comes_behind_the_context_and_a_system_message_first(
    scripted: MakeModel, generation: GenerationParams
) -> None:
    model = scripted("1874")
    ask("When was it opened?", model, generation)
    system, user = model.asked[0][0], model.asked[0][-1]
    assert system.role is Role.SYSTEM
    assert user.content.index(HARBOUR.text) < user.content.index("When was it opened?")


@pytest.mark.parametrize(
    "text",
    [
        "It was opened in 1874.",
        "See [the port](https://evil.example/x) or https://evil.example for 1874.",
        "![pixel](https://evil.example/p.png) 1874",
        "It was opened in 1999.",
        "I do not know.",
        "",
    ],
)
def test_an_answer_from_a_batch_is_the_streamed_one(
    text: str, scripted: MakeModel, generation: GenerationParams
) -> None:
    question = "When was the harbour of Veldmark opened?"
    streamed = ask(question, scripted(text), generation)
    prompt = make_prompt(question, Strategy.RAG, [hit.chunk for hit in HITS], scripted(text), PARAMS, generation)
    (written,) = scripted(text).generate_batch([prompt.messages], max_new_tokens=generation.max_new_tokens)
    assert assemble_answer(prompt, written, VERSIONS, PARAMS, generation, embed_alike) == streamed
    assert "evil" not in streamed.text


def test_a_value_that_is_no_default_is_not_put_forward_as_one(
    scripted: MakeModel, generation: GenerationParams
) -> None:
    page = Chunk("w", "harbour.md", "Waiting", "The waiting period may be set to 120 seconds.")
    answer = ask("What is the default waiting period?", scripted("120 seconds"), generation, hits=[Hit(page, 1.0)])
    assert answer.kind is not AnswerKind.GENERATED
    answer = ask("How long may the waiting period be?", scripted("120 seconds"), generation, hits=[Hit(page, 1.0)])
    assert (answer.kind, answer.text) == (AnswerKind.GENERATED, "120 seconds")
