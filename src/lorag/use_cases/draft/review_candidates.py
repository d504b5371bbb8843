"""The review of candidates: a person says what failed, and a question of the service becomes a test question."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lorag.drafting.records import DraftStatus
from lorag.errors import InputRejected, ParamsError
from lorag.params import Params
from lorag.questions.questions import Question
from lorag.releases.shelf import ReleaseShelf
from lorag.use_cases.draft.add_question import add_question
from lorag.use_cases.draft.drafts_file import DraftsFile
from lorag.use_cases.draft.review_drafts import open_review
from lorag.use_cases.serve.decisions import Decision, Failure, open_candidates, write_decisions
from lorag.use_cases.serve.query_log import QuestionCandidate
from lorag.workspace import Workspace

NOTHING_FAILED = "nothing"
"""The name that a person gives where the answer was right."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the answer to a candidate should have been: the accepted answer, and the document that holds it."""

    question: str
    answer: str = ""
    document_id: str = ""


@dataclass(frozen=True, slots=True)
class CandidateReview:
    """A review of a workspace's candidates by one person; each decision is on disk before the next one.

    `questions` is the file that accepted candidates are added to; the lock of `drafts` is held meanwhile. `documents`
    are the ids of the served documents.
    """

    file: Path
    drafts: DraftsFile
    questions: Path
    reviewer: str
    documents: Collection[str]

    def read(self) -> list[QuestionCandidate]:
        """Return the candidates that nobody decided about, newest first, and one for each answer."""
        newest = {candidate.query: candidate for candidate in open_candidates(self.file)}
        return list(newest.values())[::-1]

    def find(self, candidate_id: str) -> QuestionCandidate:
        """Return an open candidate; raises InputRejected if there is none of that id."""
        found = next((each for each in open_candidates(self.file) if each.id == candidate_id), None)
        if found is None:
            raise InputRejected(
                f"no open candidate {candidate_id!r}", where=self.file.name, do="somebody may have decided about it"
            )
        return found

    def accept(self, candidate_id: str, failure: Failure | None, wanted: Wanted) -> str:
        """Add the candidate to the questions file and return the id of its question.

        `failure` is None if the answer was right. If declining is right, the question gets neither answer nor document.
        Raises InputRejected for an unknown candidate, for a missing question, answer or document, and for a document
        that is not served.
        """
        with self.drafts.locked():
            candidate = self.find(candidate_id)
            line = self._line(candidate, failure, wanted)
            # The question first: after a kill in between, accepting it again finds it there.
            add_question(self.questions, line)
            self._decide(candidate, DraftStatus.ACCEPTED, failure)
        return str(line["id"])

    def drop(self, candidate_id: str) -> None:
        """Mark a candidate as dropped; raises InputRejected for an unknown one."""
        with self.drafts.locked():
            self._decide(self.find(candidate_id), DraftStatus.DROPPED, None)

    def _line(self, candidate: QuestionCandidate, failure: Failure | None, wanted: Wanted) -> dict[str, object]:
        declines = is_to_decline(candidate, failure)
        texts = [wanted.question, *([] if declines else [wanted.answer])]
        if not all(text.strip() for text in texts):
            raise InputRejected("no question, or no answer, is given", where=candidate.id, do="write both, or drop it")
        gold: tuple[str, ...] = ()
        answers: tuple[str, ...] = ()
        if not declines:
            gold, answers = (wanted.document_id.strip(),), (wanted.answer.strip(),)
            if gold[0] not in self.documents:
                raise InputRejected(
                    f"no page {gold[0]!r} is served", where=candidate.id, do="name the page that holds the answer"
                )
        question = Question(
            id=f"asked-{candidate.id.removeprefix('cand_')[:10]}",
            question=wanted.question.strip(),
            answers=answers,
            gold_doc_ids=gold,
        )
        kept = question.model_dump(include={"id", "question", "answers", "gold_doc_ids"}, mode="json")
        return kept | {
            "candidate": candidate.id,
            "failure": failure.value if failure else None,
            "reviewed_by": self.reviewer,
            "reviewed_at": _now(),
        }

    def _decide(self, candidate: QuestionCandidate, status: DraftStatus, failure: Failure | None) -> None:
        # Other verdicts on the same answer are decided with it.
        same = [each for each in open_candidates(self.file) if each.query == candidate.query]
        write_decisions(
            self.file,
            [Decision(each.id, status.value, failure, self.reviewer, _now()) for each in same],
        )


def open_candidate_review(
    workspace: Workspace, params: Params, documents: Collection[str], reviewer: str
) -> CandidateReview:
    """Return the review of the workspace's candidates by `reviewer`."""
    review = open_review(workspace, params, reviewer=reviewer)
    file = workspace.question_candidates_file
    return CandidateReview(file, review.drafts, review.questions, review.reviewer, documents)


def open_served_review(workspace: Workspace, params: Params, reviewer: str | None) -> CandidateReview:
    """Return the review over the documents of the served release; without a reviewer, git's or the system's user."""
    served = ReleaseShelf(workspace.state).served()
    review = open_review(workspace, params, reviewer=reviewer)
    documents = served.documents if served else ()
    file = workspace.question_candidates_file
    return CandidateReview(file, review.drafts, review.questions, review.reviewer, documents)


def decide(
    review: CandidateReview,
    accept: str | None = None,
    failure: str | None = None,
    answer: str = "",
    page: str | None = None,
    question: str | None = None,
    drop: Sequence[str] = (),
) -> list[str]:
    """Accept one candidate and drop others; return their ids.

    `failure` is a value of Failure, or "nothing". Without a `page` the first document that was found is taken. Raises
    ParamsError for an unknown failure and if only one of `accept` and `failure` is given, and what `CandidateReview`
    raises.
    """
    if (accept is None) != (failure is None):
        raise ParamsError("--accept and --failure need each other", where="lorag questions candidates", do="give both")
    decided: list[str] = []
    if accept is not None and failure is not None:
        named = failure_named(failure)
        candidate = review.find(accept)
        document = page or next(iter(named_documents(candidate)), "")
        review.accept(accept, named, Wanted(question or candidate.question, answer, document))
        decided.append(accept)
    for name in drop:
        review.drop(name)
        decided.append(name)
    return decided


def failure_named(name: str) -> Failure | None:
    """Return the failure of that name, None for "nothing"; raises ParamsError for another name."""
    if name == NOTHING_FAILED:
        return None
    if name not in tuple(Failure):
        raise ParamsError(
            f"no failure {name!r}", where="--failure", do=f"choose one of {', '.join((*Failure, NOTHING_FAILED))}"
        )
    return Failure(name)


def candidates_to_json(review: CandidateReview, decided: Sequence[str]) -> dict[str, Any]:
    """Return the object that `lorag questions candidates --json` prints; docs/json.md lists its keys."""
    return {
        "file": str(review.file),
        "questions": str(review.questions),
        "decided": list(decided),
        "candidates": [asdict(candidate) for candidate in review.read()],
    }


def is_to_decline(candidate: QuestionCandidate, failure: Failure | None) -> bool:
    """Whether no document answers the question: it should have been declined, or rightly was."""
    return failure is Failure.SHOULD_HAVE_DECLINED or (failure is None and candidate.kind == "declined")


def named_documents(candidate: QuestionCandidate) -> Sequence[str]:
    """Return the documents of the passages that were found, best first."""
    return list(dict.fromkeys(passage.document_id for passage in candidate.passages))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
