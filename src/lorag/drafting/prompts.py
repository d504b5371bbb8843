"""What a model is asked to write: a question for a value, and other wordings of a question."""

import re
from collections.abc import Sequence

from lorag.answering.generator import Message, Role
from lorag.drafting.candidates import Candidate
from lorag.drafting.proposal import Proposal, is_name

QUESTION_TOKENS = 40

_QUESTION_EXAMPLES = (
    (
        "Bakery > Opening hours",
        "The bakery on Mill Lane opens at 05:40 on weekdays.",
        "05:40",
        "When does the bakery on Mill Lane open on weekdays?",
    ),
    (
        "Print server > Settings",
        "- retryDelay - Wait between two attempts of a print job. (Default: 15 seconds, Optional)",
        "15 seconds",
        "What is the default retryDelay of the print server?",
    ),
    (
        "Garden club > Staff",
        "The plants in the glass house are looked after by Ada Lund.",
        "Ada Lund",
        "Who looks after the plants in the glass house of the garden club?",
    ),
    (
        "Ferry > Tickets",
        "A group of at least 12 people gets a discount on the ferry.",
        "12",
        "How many people does a group need to get a discount on the ferry?",
    ),
    (
        "Backup tool > Restore",
        "To see the files before they are restored, run the tool with the option --dry-run.",
        "--dry-run",
        "Which option of the backup tool shows the files before they are restored?",
    ),
)
"""Shown as earlier turns: a small model follows an example better than an instruction."""

_REWORDING_EXAMPLES: tuple[tuple[tuple[str, str], ...], ...] = (
    (
        ("When does the bakery on Mill Lane open?", "What is the opening time of the bakery on Mill Lane?"),
        ("Who looks after the plants in the glass house?", "Which person cares for the plants in the glass house?"),
        (
            "What is the default value of retryDelay for the printer?",
            "Which retryDelay does the printer use by default?",
        ),
    ),
    (
        ("How many people fit into the ferry?", "I am planning a trip: what number of people can the ferry take?"),
        ("Which option of the tool prints the version?", "What should I type to make the tool print the version?"),
        ("When does the bakery on Mill Lane open?", "From what time can I buy bread in the bakery on Mill Lane?"),
    ),
)

_LINE = re.compile(r"(?:\b(?:question|answer)\s*:\s*)?(?P<question>\S[^\n?]{8,240}\?)", re.IGNORECASE)


def ask_for_question(candidate: Candidate) -> list[Message]:
    """Ask for a question about the candidate's sentence whose answer is its value."""
    messages = [Message(Role.SYSTEM, "You write one short question whose answer is given.")]
    for context, text, value, question in _QUESTION_EXAMPLES:
        messages += [Message(Role.USER, _task(context, text, value)), Message(Role.ASSISTANT, question)]
    return [*messages, Message(Role.USER, _task(candidate.chunk.context, candidate.sentence, candidate.value.text))]


def ask_for_rewordings(question: str) -> list[list[Message]]:
    """Return several conversations, each of which asks for another wording of the question."""
    return [_reword(question, examples) for examples in _REWORDING_EXAMPLES]


def read_question(text: str) -> str | None:
    """Return the first question in what a model wrote; None without one."""
    found = _LINE.search(text)
    return " ".join(found["question"].split()).strip('"') if found else None


def proposal_of(text: str, candidate: Candidate) -> Proposal | None:
    """Return the first question in what a model wrote, with two wordings that put words before it; None without one.

    Small models seldom write another wording that asks the same.
    """
    question = read_question(text)
    title = candidate.chunk.context.split(" > ")[0]
    if question is None or len(question) < 2:
        return None
    begun = question if is_name(question.split()[0]) else question[0].lower() + question[1:]
    before = ["I would like to know", *([f"I have a question about {title}"] if title else [])]
    return Proposal(question, tuple(f"{words}: {begun}" for words in before))


def _reword(question: str, examples: Sequence[tuple[str, str]]) -> list[Message]:
    messages = [Message(Role.SYSTEM, "You ask the same question in other words.")]
    for asked, other in examples:
        messages += [Message(Role.USER, asked), Message(Role.ASSISTANT, other)]
    return [*messages, Message(Role.USER, question)]


def _task(context: str, text: str, value: str) -> str:
    return f"Page: {context}\nText: {text}\nAnswer: {value}"
