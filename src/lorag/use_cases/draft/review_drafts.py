"""The command `lorag questions review`: a person decides about drafts, and accepted ones become questions."""

import getpass
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lorag.drafting.records import Draft, DraftStatus
from lorag.errors import InputRejected, ParamsError
from lorag.integrations import git_repo
from lorag.params import Params
from lorag.questions.words import states
from lorag.use_cases.draft.add_question import add_question
from lorag.use_cases.draft.drafts_file import DraftsFile
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Edit:
    """What a person wrote instead; None leaves a part as it was drafted."""

    question: str | None = None
    answers: tuple[str, ...] | None = None
    phrasings: tuple[str, ...] | None = None
    held_out_phrasings: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """A review of one drafts file by one person; each decision is on disk before the next one is asked for.

    `questions` is the file that accepted drafts are added to: the one that params name, or its origin elsewhere.
    `is_copied` says that a refresh has to copy it before anything reads it.
    """

    drafts: DraftsFile
    questions: Path
    reviewer: str
    is_copied: bool = False

    def read(self) -> list[Draft]:
        """Return all drafts; raise InputRejected if there is no such file."""
        if not self.drafts.path.exists():
            raise InputRejected(
                "no drafts file", where=str(self.drafts.path), do="run `lorag questions draft`, or name the file"
            )
        return self.drafts.read()

    def accept(self, draft_id: str, edit: Edit | None = None) -> Draft:
        """Add a draft to the questions file, as it is or edited, and return it; a second time changes nothing.

        Raises InputRejected for an unknown id, for an edit that leaves no question or answer, and for a question that
        is in the file already under another id.
        """
        return self._decide(draft_id, DraftStatus.ACCEPTED, edit or Edit())

    def drop(self, draft_id: str) -> Draft:
        """Mark a draft as dropped, so that it is never drafted again; raises InputRejected for an unknown id."""
        return self._decide(draft_id, DraftStatus.DROPPED, Edit())

    def _decide(self, draft_id: str, status: DraftStatus, edit: Edit) -> Draft:
        with self.drafts.changing() as drafts:
            place = next((at for at, draft in enumerate(drafts) if draft.id == draft_id), None)
            if place is None:
                raise InputRejected(
                    f"no draft {draft_id!r}",
                    where=str(self.drafts.path),
                    do="`lorag questions review --list` lists them",
                )
            if drafts[place].status is status:
                return drafts[place]
            if drafts[place].status is DraftStatus.ACCEPTED:
                raise InputRejected(
                    f"{draft_id} was accepted before", where=str(self.questions), do="delete its line there"
                )
            decided = _edited(drafts[place], edit).model_copy(
                update={
                    "status": status,
                    "reviewed_by": self.reviewer,
                    "reviewed_at": datetime.now(UTC).isoformat(timespec="seconds"),
                }
            )
            if status is DraftStatus.ACCEPTED:
                # The question first: after a kill in between, accepting it again finds it there.
                add_question(self.questions, decided.accepted_line())
            drafts[place] = decided
        return decided


def open_review(workspace: Workspace, params: Params, path: Path | None = None, reviewer: str | None = None) -> Review:
    """Return the review of a drafts file by `reviewer`; if left out, by git's user.name, or the name of the user."""
    knowledge = params.knowledge
    questions = workspace.resolve(knowledge.questions_origin or knowledge.questions)
    who = reviewer or git_repo.user_name(workspace.root) or os.environ.get("USER") or getpass.getuser()
    return Review(DraftsFile.of(workspace, path), questions, who, knowledge.questions_origin is not None)


def review_drafts(review: Review, accept: Sequence[str], drop: Sequence[str], edit: Edit | None = None) -> list[Draft]:
    """Decide about the named drafts without a terminal, and return them; raise ParamsError for contradictions."""
    if both := set(accept) & set(drop):
        raise ParamsError(f"{min(both)} is accepted and dropped", where="--accept, --drop", do="give one of them")
    if edit is not None and len(accept) != 1:
        raise ParamsError("an edit needs one draft", where="--accept", do="accept one ID with --question or --answer")
    review.read()
    return [*(review.accept(name, edit) for name in accept), *(review.drop(name) for name in drop)]


def review_to_json(review: Review, before: Sequence[Draft], decided: Sequence[Draft]) -> dict[str, Any]:
    """Return the object that `lorag questions review --json` prints; docs/json.md lists its keys.

    `before` are all drafts before the decisions.
    """
    drafts = review.read()
    earlier = {draft.id: draft.status for draft in before}
    counts = {status.value: sum(draft.status is status for draft in drafts) for status in DraftStatus}
    return {
        "file": str(review.drafts.path),
        "questions": str(review.questions),
        "needs_refresh": review.is_copied,
        "counts": counts,
        "decided": [draft.id for draft in decided],
        "unchanged": [draft.id for draft in decided if draft.status is earlier.get(draft.id)],
        "unstated": [draft.id for draft in decided if draft.status is DraftStatus.ACCEPTED and not is_stated(draft)],
        "drafts": [draft.model_dump(mode="json") for draft in drafts],
    }


def _edited(draft: Draft, edit: Edit) -> Draft:
    texts = {
        "question": edit.question,
        "answers": edit.answers,
        "phrasings": edit.phrasings,
        "held_out_phrasings": edit.held_out_phrasings,
    }
    edited = draft.model_copy(update={name: value for name, value in texts.items() if value is not None})
    if not edited.question.strip() or not edited.answers or not all(answer.strip() for answer in edited.answers):
        raise InputRejected("no question, or no answer, is left", where=draft.id, do="write both, or drop the draft")
    return edited


def is_stated(draft: Draft) -> bool:
    """Whether the draft's passage states its first answer word for word; after an edit it may not."""
    return states(draft.passage, draft.answers[0])
