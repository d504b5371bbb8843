"""What a person sees of drafts, and the review by key in a terminal."""

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.text import Text

from lorag.console.review import review_by_key
from lorag.console.terminal import say, table
from lorag.counted import counted
from lorag.progress import show_lines

if TYPE_CHECKING:
    # They import numpy, which every command would wait for.
    from lorag.drafting.records import Draft
    from lorag.use_cases.draft.review_drafts import Edit, Review

_SHOWN_PASSAGE = 900
_KEYS = "[a]ccept  [e]dit  [d]rop  [s]kip  [q]uit"
_REASONS = {
    "common_value": "the value is in too many documents",
    "no_question": "no question was formed",
    "bad_form": "not one clear question",
    "says_answer": "the question says the answer",
    "other_words": "the question is about something else",
    "repeated": "asked already, or the same for another page",
    "not_unique": "another passage answers it too, or otherwise",
    "not_found": "the search does not find the passage",
    "not_answered": "the reader does not answer it from the passage",
}


def report_draft(draft: "Draft") -> None:
    """Print a draft on standard error as soon as it is kept."""
    show_lines([f"{draft.question}  {draft.answers[0]}  ({draft.gold_doc_ids[0]})"])


def show_drafted(result: Mapping[str, Any]) -> None:
    """Print how many sentences gave a draft, why the others did not, and what to do next."""
    drafts = result["drafts"]
    wordings = sum(len(draft["phrasings"]) + len(draft["held_out_phrasings"]) for draft in drafts)
    rows = [["kept", sum(result["kept"].values())]]
    rows += [[_REASONS[reason], n] for reason, n in result["dropped"].items()]
    table(
        f"Tried: {result['tried']} of {counted(result['n_candidates'], 'sentence')} with a value",
        ["outcome", "n"],
        rows,
    )
    say(
        f"{counted(len(drafts), 'question')} with {counted(wordings, 'other wording')} in {result['file']}; "
        f"about new passages: {sum(draft['changed'] for draft in drafts)}; {result['cost']['wall_s']:.0f} s"
    )
    if not drafts:
        say("Nothing was kept. A larger model writes more: `lorag models` lists those on this machine.")
    else:
        say("Nothing uses them yet. Next: lorag questions review")


def show_list(result: Mapping[str, Any]) -> None:
    """Print a line for each draft with its id, what was decided, its question and its answer."""
    for draft in result["drafts"]:
        by = f" by {draft['reviewed_by']}" if draft["reviewed_by"] else ""
        say(f"{draft['id']}  {draft['status']}{by}  {draft['question']}  {draft['answers'][0]}")
    show_reviewed(result)


def show_reviewed(result: Mapping[str, Any]) -> None:
    """Print the counts, and what to do with what was accepted."""
    counts = result["counts"]
    answers = {draft["id"]: draft["answers"][0] for draft in result["drafts"]}
    for name in result["unchanged"]:
        say(f"{name} was decided so before; nothing changed.")
    for name in result["unstated"]:
        say(_unstated(answers[name]))
    say(f"{counts['accepted']} accepted, {counts['dropped']} dropped, {counts['open']} open in {result['file']}")
    if counts["accepted"]:
        copied = "; run `lorag refresh` to copy them" if result["needs_refresh"] else ""
        say(f"Accepted questions are in {result['questions']}{copied}.")
        say("Commit both files yourself: a refresh commits no more than a pointer to a copy of the questions.")


def review_drafts_by_key(review: "Review") -> list["Draft"]:
    """Ask about each open draft, one key for each, until all are decided or the person quits; return the decided."""
    from lorag.drafting.records import DraftStatus

    def decide(draft: "Draft", key: str) -> "list[Draft] | None":
        match key:
            case "a":
                return [review.accept(draft.id)]
            case "d":
                return [review.drop(draft.id)]
            case "e":
                edit = _edit(draft)
                accepted = [review.accept(draft.id, edit)] if edit else []
                _warn_unstated(accepted)
                return accepted
        return None

    waiting = [draft for draft in review.read() if draft.status is DraftStatus.OPEN]
    return review_by_key(waiting, _show_draft, _KEYS, decide)


def marked_passage(draft: "Draft") -> Text:
    """Return the passage with its sentence marked; a long one is cut around the sentence."""
    at = draft.passage.find(draft.sentence)
    start = max(0, at - (_SHOWN_PASSAGE - len(draft.sentence)) // 2) if len(draft.passage) > _SHOWN_PASSAGE else 0
    text = Text("… " if start else "")
    text.append(draft.passage[start:at])
    text.append(draft.sentence, style="bold reverse")
    end = at + len(draft.sentence)
    stop = max(end, start + _SHOWN_PASSAGE)
    text.append(draft.passage[end:stop])
    if stop < len(draft.passage):
        text.append(" …")
    return text


def _show_draft(draft: "Draft", place: str) -> None:
    out = Console(highlight=False)
    out.rule(place)
    out.print(Text(draft.question, style="bold"))
    out.print(Text(f"Answer: {' / '.join(draft.answers)}", style="green"))
    for name, wordings in (("trained", draft.phrasings), ("held out", draft.held_out_phrasings)):
        for wording in wordings:
            out.print(Text(f"  {name}: {wording}"))
    new = ", new since the release before" if draft.changed else ""
    out.print(Text(f"{draft.gold_doc_ids[0]}: {draft.headings}{new}", style="dim"))
    out.print(marked_passage(draft))


_HEAD = "# One line each; a line that is deleted is left out. Save and close to accept, delete all lines to go back.\n"
_FIELDS = {"question": "question", "answer": "answers", "trained": "phrasings", "held out": "held_out_phrasings"}


def _edit(draft: "Draft") -> "Edit | None":
    if os.environ.get("VISUAL") or os.environ.get("EDITOR"):
        editor = os.environ.get("VISUAL") or os.environ["EDITOR"]
        written = click.edit(as_text(draft), editor=shlex.join(shlex.split(editor)), extension=".txt")
        return None if written is None else read_edit(written)
    question = click.prompt("Question", default=draft.question)
    answer = click.prompt("Answer", default=draft.answers[0])
    return read_edit(
        "".join(
            line for line in as_text(draft).splitlines(keepends=True) if not line.startswith(("question:", "answer:"))
        )
        + f"question: {question}\nanswer: {answer}\n"
    )


def as_text(draft: "Draft") -> str:
    """Return the texts of a draft as lines to edit; `read_edit` reads them."""
    lines: list[str] = []
    for name, field in _FIELDS.items():
        value: str | Sequence[str] = getattr(draft, field)
        lines += [f"{name}: {text}\n" for text in ([value] if isinstance(value, str) else value)]
    return _HEAD + "".join(lines)


def read_edit(text: str) -> "Edit | None":
    """Return what the lines say; None if nothing is left of them."""
    from lorag.use_cases.draft.review_drafts import Edit

    found: dict[str, list[str]] = {name: [] for name in _FIELDS}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() in found and value.strip():
            found[name.strip()].append(value.strip())
    if not any(found.values()):
        return None
    return Edit(" ".join(found["question"]), tuple(found["answer"]), tuple(found["trained"]), tuple(found["held out"]))


def _warn_unstated(drafts: Sequence["Draft"]) -> None:
    from lorag.use_cases.draft.review_drafts import is_stated

    for draft in drafts:
        if not is_stated(draft):
            say(_unstated(draft.answers[0]))


def _unstated(answer: str) -> str:
    return f"Note: the passage does not state {answer!r} in these words."
