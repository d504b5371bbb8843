"""The official client of OpenAI works unchanged: sync, async and streams; test_clients.py has those built on it."""

import asyncio
from typing import Any

import httpx
import openai
import pytest

from lorag.answering.generator import StopStrings
from lorag.service.openai_text import Cutter
from tests.service.conftest import OWNER, QUESTION, Served

TURNS: Any = [{"role": "user", "content": QUESTION}]


@pytest.fixture
def ai(service: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{service.address}/v1", api_key=OWNER, max_retries=0)


def test_the_models_are_the_strategies_that_can_answer(ai: openai.OpenAI) -> None:
    listed = ai.models.list()
    assert [model.id for model in listed] == ["lorag-base", "lorag-rag", "lorag-hybrid"]
    unavailable: Any = listed.model_extra
    assert [each["id"] for each in unavailable["unavailable"]] == ["lorag-tuned", "lorag-auto"]
    assert "lorag retrain" in unavailable["unavailable"][0]["reason"]
    assert ai.models.retrieve("lorag-rag").owned_by == "lorag"
    with pytest.raises(openai.NotFoundError):
        ai.models.retrieve("lorag-tuned")


def test_a_completion_cites_its_page_in_the_text_and_beside_it(ai: openai.OpenAI, service: Served) -> None:
    done: Any = ai.chat.completions.create(model="lorag-rag", messages=TURNS, temperature=0, seed=1, user="somebody")
    message = done.choices[0].message
    assert "7.25 metres" in message.content and message.content.endswith(" [1]")
    assert done.choices[0].finish_reason == "stop"
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens > 0
    told = done.model_extra["lorag"]
    citation = told["citations"][0]
    assert (told["kind"], citation["document_id"], citation["number"]) == ("quoted", "berths.md", 1)
    assert told["release"] == service.place.shelf.served_id() and told["ignored"] == []
    noted = message.annotations[0].url_citation
    assert message.content[noted.start_index : noted.end_index] == "[1]"
    page = service.client.get(noted.url).json()
    assert citation["quote"] in page["text"]


def test_a_stream_has_the_same_text_and_its_usage_where_asked(ai: openai.OpenAI) -> None:
    for model in ("lorag-base", "lorag-rag"):
        whole = ai.chat.completions.create(model=model, messages=TURNS)
        chunks: list[Any] = list(
            ai.chat.completions.create(
                model=model,
                messages=TURNS,
                stream=True,
                stream_options={"include_usage": True},
                max_completion_tokens=64,
            )
        )
        pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
        assert "".join(pieces) == whole.choices[0].message.content
        assert chunks[-1].usage == whole.usage and not chunks[-1].choices
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == whole.choices[0].finish_reason
        assert chunks[-2].model_extra["lorag"]["release"]
    plain = list(ai.chat.completions.create(model="lorag-rag", messages=TURNS, stream=True))
    assert all(chunk.usage is None for chunk in plain)


def test_the_async_client_asks_several_questions_at_once(service: Served) -> None:
    async def ask() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=f"{service.address}/v1", api_key=OWNER, max_retries=0) as client:
            whole = client.chat.completions.create(model="lorag-rag", messages=TURNS)
            stream = await client.chat.completions.create(model="lorag-rag", messages=TURNS, stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
            return [(await whole).choices[0].message.content, text]

    first, second = asyncio.run(ask())
    assert first == second


def test_a_stop_string_and_a_limit_end_the_text(ai: openai.OpenAI) -> None:
    cut = ai.chat.completions.create(model="lorag-rag", messages=TURNS, stop=["7.25"])
    assert cut.choices[0].message.content.endswith("basin is ") and cut.choices[0].finish_reason == "stop"
    streamed = ai.chat.completions.create(model="lorag-rag", messages=TURNS, stop="7.25", stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in streamed if c.choices).endswith("basin is ")
    short = ai.chat.completions.create(model="lorag-base", messages=TURNS, max_tokens=2)
    assert (short.usage.completion_tokens, short.choices[0].finish_reason) == (2, "length")


def test_the_last_question_is_understood_by_what_was_said_before(ai: openai.OpenAI) -> None:
    turns: Any = [
        {"role": "system", "content": "Answer like a pirate."},
        *TURNS,
        {"role": "assistant", "content": "7.25 metres."},
        {"role": "user", "content": [{"type": "text", "text": "Where is it?"}]},
    ]
    done: Any = ai.chat.completions.create(model="lorag-rag", messages=turns)
    told = done.model_extra["lorag"]
    assert told["asked_as"] == f"{QUESTION} Where is it?", "the random model rewrites nothing usable"
    assert told["ignored"] == ["messages.0 (system)"]
    assert "Quellwick" in done.choices[0].message.content


def test_errors_arrive_as_the_clients_own(ai: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ai.chat.completions.create(model="lorag-rag", messages=TURNS, n=2)
    assert (refused.value.param, refused.value.code) == ("n", "E001") and refused.value.request_id
    with pytest.raises(openai.NotFoundError):
        ai.chat.completions.create(model="gpt-5", messages=TURNS)
    with pytest.raises(openai.AuthenticationError):
        ai.with_options(api_key="other").models.list()


def test_lorags_own_fields_go_with_the_body(ai: openai.OpenAI) -> None:
    done: Any = ai.chat.completions.create(model="lorag-rag", messages=TURNS, extra_body={"where": {"team": "kitchen"}})
    assert "berths.md" not in {c["document_id"] for c in done.model_extra["lorag"]["citations"]}
    older: Any = ai.chat.completions.create(model="lorag-rag", messages=TURNS, extra_body={"as_of": "1"})
    assert older.model_extra["lorag"]["release"].startswith("000001-")


def test_a_response_and_its_events(ai: openai.OpenAI) -> None:
    done: Any = ai.responses.create(model="lorag-rag", input=QUESTION, instructions="Be brief.", store=False)
    assert done.output_text.endswith(" [1]") and done.status == "completed"
    assert done.output[0].content[0].annotations[0].title == "Berths"
    assert done.usage.total_tokens > 0 and done.model_extra["lorag"]["ignored"] == ["instructions"]
    with ai.responses.stream(model="lorag-rag", input=[{"role": "user", "content": QUESTION}]) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == done.output_text
    assert kinds[:3] == ["response.created", "response.in_progress", "response.output_item.added"]
    assert kinds[-1] == "response.completed" and "response.output_text.delta" in kinds
    cut = ai.responses.create(model="lorag-base", input=QUESTION, max_output_tokens=2)
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_nothing_of_a_stop_string_is_shown(size: int) -> None:
    shown: list[str] = []
    cutter = Cutter(StopStrings(("END", "##")), shown.append)
    text = "one # two E N EN then END and more"
    for start in range(0, len(text), size):
        cutter.add(text[start : start + size])
    cutter.finish()
    assert "".join(shown) == "one # two E N EN then "


def test_a_client_over_plain_http_reads_the_events(client: httpx.Client) -> None:
    body = {"model": "lorag-rag", "messages": TURNS, "stream": True}
    with client.stream("POST", "/v1/chat/completions", json=body) as response:
        lines = [line for line in response.iter_lines() if line]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert all(line.startswith("data: ") for line in lines) and lines[-1] == "data: [DONE]"
