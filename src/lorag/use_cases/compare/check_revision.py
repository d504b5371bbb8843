"""The evaluation of the workspace compared with that of another git revision; nothing is run or written."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lorag.errors import WorkspaceError
from lorag.evaluation.bootstrap import Bootstrap
from lorag.evaluation.revision_check import CheckedPart, Vanished, check_answers, check_search, find_vanished
from lorag.integrations.git_repo import resolve_commit
from lorag.params import Params
from lorag.use_cases.compare.read_evaluation import Evaluation, read_evaluation
from lorag.use_cases.refresh.pending_work import Why, find_work
from lorag.workspace import Workspace

_CONCERN_EVALUATION = frozenset({Why.SETTINGS, Why.SOURCE, Why.QUESTIONS, Why.PIPELINE})


@dataclass(frozen=True, slots=True)
class RevisionCheck:
    """The workspace's evaluation compared with that of the commit `commit`, which the user named `revision`.

    `corpora` and `n_documents` are before and now; `settings` maps each setting that differs to its two values.
    `left_out` says why a part is not compared, by its name. `pending` are the reasons for which the evaluation here is
    older than what a refresh would measure now.
    """

    revision: str
    commit: str
    across_corpora: bool
    corpora: tuple[str, str]
    n_documents: tuple[int, int]
    settings: Mapping[str, tuple[Any, Any]]
    confidence: float
    parts: Mapping[str, CheckedPart]
    left_out: Mapping[str, str]
    vanished: tuple[Vanished, ...]
    pending: tuple[Why, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no figure fell beyond chance."""
        return not any(figure.is_loss for part in self.parts.values() for figure in part.figures)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag check --json` prints; docs/json.md lists its keys."""
        return {
            "passed": self.passed,
            "same_corpus": self.corpora[0] == self.corpora[1],
            **asdict(self),
            "parts": {name: part.to_json() for name, part in self.parts.items()},
        }


def check_revision(
    revision: str, workspace: Workspace, params: Params, *, across_corpora: bool = False
) -> RevisionCheck:
    """Compare the questions that both evaluations have; with `across_corpora` also those that were edited between.

    Raises WorkspaceError for an unknown revision, where one side has no evaluation, and if no question is in both.
    """
    commit = resolve_commit(workspace.root, revision)
    if commit is None:
        raise WorkspaceError(
            f"no revision {revision!r}",
            where=str(workspace.root),
            do="name a commit, branch or tag; what a shallow clone lacks, `git fetch --unshallow` brings",
        )
    before, now = read_evaluation(workspace, commit, revision), read_evaluation(workspace)
    comparison = params.comparison
    bootstrap = Bootstrap(comparison.bootstrap_samples, comparison.confidence, comparison.seed)
    retrievers = before.retriever, now.retriever
    search = check_search(
        before.searched, now.searched, retrievers, params.evaluation.k, bootstrap, across=across_corpora
    )
    if not search.figures:
        raise _nothing_in_common(search, revision)
    parts: dict[str, CheckedPart] = {"search": search}
    left_out: dict[str, str] = {}
    if before.answered is None or now.answered is None:
        left_out["answers"] = before.no_answers or now.no_answers
    else:
        parts["answers"] = check_answers(before.answered, now.answered, bootstrap, across=across_corpora)
    return RevisionCheck(
        revision,
        commit,
        across_corpora,
        (before.corpus_digest, now.corpus_digest),
        (before.n_documents, now.n_documents),
        _differing(before, now),
        comparison.confidence,
        parts,
        left_out,
        tuple(find_vanished(before.searched, now.searched)),
        tuple(why for why in find_work(workspace, params).reasons if why in _CONCERN_EVALUATION),
    )


def _nothing_in_common(search: CheckedPart, revision: str) -> WorkspaceError:
    edited = search.questions.edited
    what = "no question is the same in both, with its documents there"
    do = "name a revision with the same questions file; a question is known by its id"
    if edited:
        what += f"; {edited} have the same id, but other words or answers"
        do = "compare these with --across-corpora"
    return WorkspaceError(what, where=f"here and revision {revision}", do=do)


def _differing(before: Evaluation, now: Evaluation) -> dict[str, tuple[Any, Any]]:
    names = dict.fromkeys([*before.settings, *now.settings])
    pairs = {name: (before.settings.get(name), now.settings.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
