"""The last question of a conversation, made to be understood without what was said before."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from lorag.answering.follow_up import put_into
from lorag.answering.generator import LanguageModel, Message, Role, drain
from lorag.answering.past_question import read_past
from lorag.answering.words import content_words

MAX_NEW_TOKENS = 48

# Not among the templates: no stage depends on the wording, so that a change of it makes no adapter stale.
_SYSTEM = (
    "You rewrite the last question of a conversation so that it can be understood alone. Replace words such as it, "
    "they or there by what they mean. Write the question only."
)
_USER = "Conversation:\n{before}\n\nLast question: {question}\n\nThe last question, to be understood alone:"

_REFERS = re.compile(
    r"\b(it|its|they|them|their|theirs|this|these|those|he|him|his|she|her|hers|former|latter|the same"
    r"|(?<=about )that|(?<=for )that|(?<=of )that|(?<=to )that|(?<=with )that|(?<=is )that|(?<=does )that"
    r"|(?<!is )(?<!are )(?<!was )(?<!were )there)\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"^\s*(and|but|or|so|also|what about|how about|why|since when|until when)\b", re.IGNORECASE)
_MAX_CHARACTERS = 400
_MAX_TURNS = 6


def refers_back(question: str) -> bool:
    """Whether the words of the question point at something that was said before, or name nothing."""
    return bool(_REFERS.search(question) or _GOES_ON.match(question)) or not content_words(question)


def stand_alone(question: str, before: Sequence[Message], model: LanguageModel, *, reads_past: bool = True) -> str:
    """Return the question as it can be searched for without `before`, the turns above it, oldest first.

    A question that refers to nothing stays as it is. One that only names another thing is put into the question before
    it, and one that only names a time in the past is put behind it, unless `reads_past` is false; for all of these no
    model is asked. What the model writes is taken if it is one question made of words of the conversation that keeps
    those of the question. Otherwise the question that was asked before is put in front.
    """
    asked = [turn for turn in before if turn.role is Role.USER]
    if reads_past and asked and read_past(later := f"{asked[-1].content.strip()} {question}", datetime.now(UTC)):
        return later
    if not asked or not refers_back(question):
        return question
    if found := put_into(asked[-1].content, question):
        return found
    told = "\n".join(f"{turn.role.value}: {' '.join(turn.content.split())[:500]}" for turn in before[-_MAX_TURNS:])
    messages = (Message(Role.SYSTEM, _SYSTEM), Message(Role.USER, _USER.format(before=told, question=question)))
    written = drain(model.stream(messages, max_new_tokens=MAX_NEW_TOKENS)).text.strip()
    line = written.split("\n", 1)[0].strip().strip("\"'")
    if _is_usable(line, question, told):
        return line
    return f"{asked[-1].content.strip()} {question}"


def _is_usable(line: str, question: str, told: str) -> bool:
    said = content_words(line)
    new = said - content_words(question)
    is_question = line.endswith(("?", "\uff1f")) and 0 < len(line) <= _MAX_CHARACTERS
    # Words that nobody said would be searched for, and a rewriting that adds nothing still refers back.
    return (
        is_question and bool(new) and new <= content_words(told) and _kept(question) <= said and not refers_back(line)
    )


def _kept(question: str) -> frozenset[str]:
    return frozenset(content_words(question) - content_words(" ".join(_REFERS.findall(question))))
