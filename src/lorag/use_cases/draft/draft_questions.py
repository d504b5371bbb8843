"""The command `lorag questions draft`: questions with answers from the served documents, a line of a file each."""

import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from lorag.answering.generator import LanguageModel
from lorag.costs.records import Cost
from lorag.digests import digest_of
from lorag.drafting import DRAFTING_VERSION
from lorag.drafting.candidates import Candidate, order_candidates
from lorag.drafting.checks import DropReason, Knowledge, gist
from lorag.drafting.forms import ordinary_words, propose_by_form
from lorag.drafting.proposal import Writers
from lorag.drafting.records import Draft, Origin
from lorag.errors import InputRejected, IntegrityFailed, LoragError
from lorag.integrations.machine.cost_meter import CostMeter
from lorag.integrations.machine.gpu_energy import count_held_gpus
from lorag.integrations.models.generators import open_generator
from lorag.knowledge.documents import Chunk
from lorag.params import Params
from lorag.progress import show_progress
from lorag.questions.questions import parse_json, question_lines, read_questions
from lorag.questions.words import normalise
from lorag.releases.record import Release
from lorag.releases.shelf import ReleaseShelf
from lorag.use_cases.draft.drafts_file import DraftsFile
from lorag.use_cases.draft.write_draft import Drafter
from lorag.use_cases.serve.serve import Served, open_served
from lorag.workspace import Workspace

ROUND = 6
"""The number of sentences that are tried together: the model answers a batch faster, and a kill loses one round."""


@dataclass(slots=True)
class Yield:
    """What became of the sentences that were tried: kept by who formed the question, dropped by reason."""

    tried: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    dropped: Counter[DropReason] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class DraftOutcome:
    """The drafts of this run; `n_candidates` sentences with a value were in the documents, `n_changed` in new ones.

    `n_known` of them were drafted, or tried in vain, by an earlier run on the same release.
    """

    output: Path
    release: str
    model: str
    drafts: tuple[Draft, ...]
    n_candidates: int
    n_changed: int
    n_known: int
    tried: int
    kept: Mapping[str, int]
    dropped: Mapping[str, int]
    cost: Cost

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag questions draft --json` prints; docs/json.md lists its keys."""
        return {
            "file": str(self.output),
            "release": self.release,
            "model": self.model,
            "drafts": [draft.model_dump(mode="json") for draft in self.drafts],
            "n_candidates": self.n_candidates,
            "n_changed": self.n_changed,
            "n_known": self.n_known,
            "tried": self.tried,
            "kept": dict(self.kept),
            "dropped": dict(self.dropped),
            "cost": self.cost.to_json(),
        }


def draft_questions(
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
    *,
    count: int,
    output: Path | None = None,
    documents: Collection[str] = (),
    writers: Writers = Writers.BOTH,
    minutes: float | None = None,
    on_draft: Callable[[Draft], None] | None = None,
) -> DraftOutcome:
    """Draft up to `count` questions about the served release, and append each to `output` as soon as it is kept.

    Without `output` that is drafts.jsonl in the workspace. Sentences that are new since the release before come first.
    `documents`, if there are any, are the only ones asked about. After `minutes` no further sentences are tried. What
    an earlier run drafted or tried in vain on the same release is left out. Raises WorkspaceError if nothing is served,
    and InputRejected for an unknown document and for an output file that holds something else.
    """
    file = DraftsFile.of(workspace, output)
    before = file.read()
    with (
        open_served(workspace, params, environment) as served,
        CostMeter(params.costs, gpus=count_held_gpus()) as meter,
    ):
        _refuse_unknown(documents, served.release)
        chunks = [row.chunk for row in served.searcher.store.rows(served.release.index)]
        changed = _changed_chunks(served, chunks, workspace)
        asked = [chunk for chunk in chunks if not documents or chunk.document_id in documents]
        candidates = list(order_candidates(asked, changed, params.generation.seed))
        model = open_generator(params.generation, environment)
        log = _Log(
            workspace.state / "drafting.jsonl",
            digest_of([DRAFTING_VERSION, served.release.id, model.model_sha256, writers.value]),
        )
        known = {draft.id for draft in before} | log.read()
        fresh = [each for each in candidates if each.id not in known]
        ordinary = ordinary_words(chunks)
        drafter = Drafter(
            served,
            model,
            params,
            Knowledge(chunks),
            changed,
            _known_questions(before, workspace, params),
            {(draft.chunk_id, draft.sentence) for draft in before},
            ordinary,
        )
        end_s = math.inf if minutes is None else time.monotonic() + 60 * minutes
        drafts: list[Draft] = []
        outcome = Yield()
        with show_progress("Drafting questions", count) as advance:
            for origin, tried in _rounds(fresh, ordinary, writers, count, drafts):
                if time.monotonic() > end_s:
                    break
                for candidate, result in drafter.draft(tried, origin):
                    outcome.tried += 1
                    if isinstance(result, DropReason):
                        outcome.dropped[result] += 1
                        log.add(candidate.id, result)
                    else:
                        file.append(result)
                        drafts.append(result)
                        outcome.kept[result.origin.value] += 1
                        advance(1)
                        if on_draft is not None:
                            on_draft(result)
        meter.add_tokens(prompt=drafter.prompt_tokens, generated=drafter.generated_tokens)
        release, name = served.release.id, _name(params, model)
    return DraftOutcome(
        file.path,
        release,
        name,
        tuple(drafts),
        len(candidates),
        sum(each.chunk.id in changed for each in candidates),
        len(candidates) - len(fresh),
        outcome.tried,
        dict(outcome.kept),
        {reason.value: outcome.dropped[reason] for reason in DropReason if outcome.dropped[reason]},
        meter.stop(),
    )


def _rounds(
    candidates: Sequence[Candidate], ordinary: frozenset[str], writers: Writers, count: int, drafts: Sequence[Draft]
) -> Iterator[tuple[Origin, list[Candidate]]]:
    """Yield who is to form questions about which sentences: first all that have a form, then the model."""
    formed = [each for each in candidates if writers is not Writers.MODEL and propose_by_form(each, ordinary)]
    names = {each.id for each in formed}
    others = [each for each in candidates if writers is not Writers.FORMS and each.id not in names]
    for origin, group in ((Origin.FORM, formed), (Origin.MODEL, others)):
        left = iter(group)
        while len(drafts) < count and (tried := list(islice(left, min(ROUND, count - len(drafts))))):
            yield origin, tried


def _refuse_unknown(documents: Collection[str], release: Release) -> None:
    for name in documents:
        if name not in release.documents:
            raise InputRejected(
                f"no document {name!r} in release {release.id}",
                where="--document",
                do="name it as `lorag search` prints it",
            )


def _changed_chunks(served: Served, chunks: Sequence[Chunk], workspace: Workspace) -> frozenset[str]:
    """Return the ids of the chunks that the newest older release with another content did not have; none without one.

    Its documents tell whether a chunk is new: a chunk's id names its content within its document.
    """
    for older in ReleaseShelf(workspace.state).releases():
        if older.id < served.release.id and older.content_digest != served.release.content_digest:
            try:
                had = served.searcher.store.entries(older.index)
            except (IntegrityFailed, LoragError):
                return frozenset()
            return frozenset(chunk.id for chunk in chunks if chunk.id not in had)
    return frozenset()


def _known_questions(before: Sequence[Draft], workspace: Workspace, params: Params) -> set[str]:
    """Return the wordings of all drafts and questions that exist, as `is_repeated` compares them."""
    known = {gist(draft.question, draft.headings.split(" > ")[0]) for draft in before}
    path = workspace.resolve(params.knowledge.questions)
    questions = read_questions(path) if path.is_file() else []
    return known | {normalise(text) for each in questions for text in (each.question, *each.phrasings)}


def _name(params: Params, model: LanguageModel) -> str:
    return f"{params.generation.model} ({model.engine})"


@dataclass(frozen=True, slots=True)
class _Log:
    """The candidates that were tried in vain under equal settings, a line each; it may be deleted at any time."""

    path: Path
    settings: str

    def read(self) -> set[str]:
        try:
            lines = [parse_json(line) for _, line in question_lines(self.path)]
            return {line["id"] for line in lines if line["settings"] == self.settings}
        except (LoragError, ValueError, KeyError, TypeError):
            # At worst a sentence is tried again.
            return set()

    def add(self, candidate_id: str, reason: DropReason) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f'{{"id": "{candidate_id}", "reason": "{reason.value}", "settings": "{self.settings}"}}\n')
