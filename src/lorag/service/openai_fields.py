"""OpenAI's fields: those that are obeyed, those that change nothing here, and those that are refused by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from lorag.answering.generator import Message, Role, StopStrings
from lorag.service.asked import Asked
from lorag.service.problems import Refused, refusal
from lorag.service.routing import MAX_QUESTION, AsOf, Where
from lorag.strategies import REQUESTS, Requested
from lorag.use_cases.serve.request import refuse_bad_text

PREFIX = "lorag-"

_OWNERS = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
}
_TEXT_PARTS = ("text", "input_text", "output_text")

MESSAGE: dict[str, Any] = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {
        "role": {"enum": list(_OWNERS)},
        "content": {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": MAX_QUESTION},
                {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["type", "text"],
                        "properties": {"type": {"enum": list(_TEXT_PARTS)}, "text": {"type": "string"}},
                    },
                },
            ]
        },
    },
}
"""The schema of a message, which is checked by hand, for errors that name the place as OpenAI's clients expect."""

_HARMLESS = frozenset(
    "user metadata store seed parallel_tool_calls service_tier prompt_cache_key prompt_cache_retention "
    "prompt_cache_options safety_identifier prediction top_p background include truncation".split()
)
"""Fields that change no answer: greedy decoding ignores `seed` and `top_p`, and nothing is stored for the client."""

_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "text": ({}, {"format": {"type": "text"}}),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "modalities": (["text"],),
    "reasoning_effort": ("none",),
    "reasoning": ({}, {"effort": "none"}),
    "background": (False,),
}
"""Fields with the values that ask for what is done anyway; another value is refused."""


class Extended(BaseModel):
    """What both of OpenAI's APIs share; `where` and `as_of` are lorag's own, by `extra_body` of the client."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: Annotated[str, Field(min_length=1, max_length=200, examples=["lorag-rag"])]
    stream: bool | None = None
    temperature: Annotated[float | None, Field(ge=0, le=2, strict=False)] = None
    where: Where = {}
    as_of: AsOf = None

    def refuse_what_would_be_ignored(self) -> None:
        """Raise Refused for a field that would change the answer and cannot be obeyed; it names the field."""
        if self.temperature:
            raise _refused("temperature", "only 0 is there, because equal questions give equal answers")
        for name, value in (self.model_extra or {}).items():
            if value is None or value in _NEUTRAL.get(name, ()):
                continue
            if name in _NEUTRAL or name not in _HARMLESS:
                raise _refused(name, "it would change the answer, and the service cannot obey it")


@dataclass(frozen=True, slots=True)
class Conversation:
    """The last question, the turns before it, and what was left out: instructions, which the prompts do not take."""

    question: str
    before: tuple[Message, ...]
    ignored: tuple[str, ...]


def read_conversation(turns: Sequence[Any], name: str, ignored: Sequence[str] = ()) -> Conversation:
    """Read messages in OpenAI's form; raises Refused for what is no text, and if the last one is not the user's."""
    found: list[Message] = []
    left_out = list(ignored)
    for number, turn in enumerate(turns):
        place = f"{name}.{number}"
        if not isinstance(turn, dict) or turn.get("type", "message") != "message":
            raise refusal(400, "bad-request", "this is no message", where=place, do="send role and content")
        if not isinstance(turn.get("role"), str) or turn["role"] not in _OWNERS:
            raise refusal(400, "bad-request", "a role that is not known", where=f"{place}.role", do=_ROLES)
        if turn.get("tool_calls") or turn.get("function_call") or turn.get("audio"):
            raise _refused(f"{place}.tool_calls", "the service calls no tools")
        role, text = _OWNERS[turn["role"]], _text_of(turn.get("content"), f"{place}.content")
        if role is Role.SYSTEM:
            left_out.append(f"{place} ({turn['role']})")
        else:
            found.append(Message(role, text))
    if not found or found[-1].role is not Role.USER:
        raise refusal(400, "bad-request", "the last message must be the user's", where=name, do="end with a question")
    question = found[-1].content
    refuse_bad_text(question, name)
    if len(question) > MAX_QUESTION:
        what = f"the last message has more than {MAX_QUESTION} characters"
        raise refusal(400, "bad-request", what, where=name, do="ask a shorter question")
    return Conversation(question, tuple(found[:-1]), tuple(left_out))


def strategy_of(model: str) -> Requested:
    """Return the strategy, or the choice of one, that a model's name stands for; raises Refused with 404 for others."""
    named = {PREFIX + each: each for each in REQUESTS}
    if model not in named:
        known = ", ".join(named)
        raise refusal(404, "unknown-model", f"no model {model[:100]!r}", where="model", do=f"choose one of {known}")
    return named[model]


def stop_of(stop: Any) -> StopStrings:
    """Return the rule for OpenAI's `stop`: a text, or up to four of them."""
    strings = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(strings, list) or len(strings) > 4 or not all(isinstance(s, str) and s for s in strings):
        raise refusal(400, "bad-request", "stop must be a text or up to four texts", where="stop")
    return StopStrings(tuple(strings))


def asked_of(body: Extended, conversation: Conversation, door: str, limit: int | None) -> Asked:
    """Return the question for the desk."""
    return Asked(
        conversation.question,
        strategy_of(body.model),
        door,
        body.where,
        body.as_of,
        conversation.before,
        limit,
    )


def _text_of(content: Any, place: str) -> str:
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if not isinstance(content, list):
        raise refusal(400, "bad-request", "content must be text", where=place)
    texts = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") not in _TEXT_PARTS or not isinstance(part.get("text"), str):
            raise refusal(400, "not-supported", "only text can be asked", where=place, do="leave out images and files")
        texts.append(part["text"])
    return "\n".join(texts)


def _refused(name: str, why: str) -> Refused:
    return refusal(400, "not-supported", f"{name} is not supported: {why}", where=name, do=f"leave {name} out")


_ROLES = "use user, assistant, system or developer"
