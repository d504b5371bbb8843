"""The folder of a walk through the versions of the knowledge: its own workspace, and a record of every step."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorag.digests import digest_of, sha256_hex
from lorag.errors import InputRejected, ParamsError, WorkspaceError
from lorag.evaluation.timeline import choose_facts
from lorag.integrations import git_repo
from lorag.params import Params
from lorag.params_file import load_params
from lorag.questions.questions import read_questions
from lorag.releases.durable import write_json_durably
from lorag.strategies import AdapterKind
from lorag.use_cases.asking.versions import read_versions
from lorag.use_cases.change_params import change_params
from lorag.use_cases.init_workspace import OPTIONAL_QUESTIONS, init_workspace
from lorag.workspace import Workspace

_NO_INPUT = {"asking", "break_even", "advice", "policy", "parameter_search", "tracking", "compute", "schedules"}
"""The sections of params that do not change what a walk records."""

_OWN = {"source", "origin", "questions", "questions_origin", "controls", "unanswerable", "style"}
_OWN |= {"commit", "approve_new_sources"}
"""The settings of `knowledge` that the walk's own workspace keeps."""


@dataclass(frozen=True, slots=True)
class Version:
    """One state of the knowledge: a folder of documents or a documents.jsonl, and the questions that apply to it."""

    name: str
    documents: Path
    questions: Path

    @property
    def digest(self) -> str:
        """Return a digest of its bytes."""
        files = sorted(path for path in self.documents.rglob("*") if path.is_file()) or [self.documents]
        contents = [[path.relative_to(self.documents).as_posix(), sha256_hex(path.read_bytes())] for path in files]
        return digest_of([contents, sha256_hex(self.questions.read_bytes())])


@dataclass(frozen=True, slots=True)
class Step:
    """A version's place in a walk, and the folder with its records."""

    version: Version
    folder: Path
    digest: str

    def path(self, name: str) -> Path:
        """Return the path of a record, which need not exist."""
        return self.folder / f"{name}.json"

    def answers(self, name: str) -> Path:
        """Return the path of the answers that belong to a record."""
        return self.folder / f"{name}.jsonl"

    def has(self, name: str) -> bool:
        """Return whether the record exists."""
        return self.path(name).is_file()

    def read(self, name: str) -> dict[str, Any]:
        """Return a record."""
        value: dict[str, Any] = json.loads(self.path(name).read_text(encoding="utf-8"))
        return value

    def write(self, name: str, value: dict[str, Any]) -> None:
        """Write a record, after the work that it describes is done."""
        write_json_durably(self.path(name), value)

    def begin(self, name: str) -> bool:
        """Mark the work that `name` will record as begun; return whether a killed walk had already begun it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        marker = self.folder / f"{name}.begun"
        begun = marker.exists()
        marker.touch()
        return begun


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk in progress: `facts` are those that are asked, None for all; `params` are those of its workspace.

    The adapters in `once` are trained until one is published, and that one reads the later versions.
    """

    root: Path
    workspace: Workspace
    params: Params
    steps: tuple[Step, ...]
    adapters: tuple[AdapterKind, ...]
    facts: frozenset[str] | None
    limit: int | None
    once: tuple[AdapterKind, ...] = ()

    def before(self, step: Step) -> Step | None:
        """Return the step before this one; None for the first."""
        at = self.steps.index(step)
        return self.steps[at - 1] if at else None


def read_version(folder: Path) -> Version:
    """Read a folder with `documents/` or `documents.jsonl`, and `questions.jsonl`; raise InputRejected without them."""
    documents = next((path for name in ("documents", "documents.jsonl") if (path := folder / name).exists()), None)
    questions = folder / "questions.jsonl"
    if documents is None or not questions.is_file():
        missing = "documents/ or documents.jsonl" if documents is None else "questions.jsonl"
        raise InputRejected(f"no {missing} in it", where=str(folder), do="name a folder for each version")
    return Version(folder.resolve().name, documents.resolve(), questions.resolve())


def open_walk(
    root: Path,
    versions: Sequence[Version],
    workspace: Workspace,
    params: Params,
    adapters: Sequence[AdapterKind],
    limit: int | None,
    once: Sequence[AdapterKind] = (),
) -> Walk:
    """Open the walk in `root`, or create it; `workspace` lends its settings and is not changed.

    Recorded steps are reused if the versions, the settings, the questions and the installed code are the same.
    Otherwise the walk starts over, because its workspace cannot return to an earlier state. Raises WorkspaceError for
    a folder that holds other things, and ParamsError for fewer than two versions, or for a version inside the walk or
    around it.
    """
    if len(versions) < 2:
        raise ParamsError("fewer than two versions", do="name a folder for each version, in their order")
    for version in versions:
        _refuse_overlap(root.resolve(), version)
    questions = [read_questions(version.questions) for version in versions]
    facts = choose_facts(questions, limit) if limit is not None else None
    installed = read_versions(workspace, params)
    asked = sorted(facts) if facts is not None else None
    digest = digest_of([_settings(params), installed, list(adapters), list(once), asked])
    steps = []
    for number, version in enumerate(versions, start=1):
        digest = digest_of([digest, version.digest])
        steps.append(Step(version, root / "steps" / f"{number:02}", digest))
    _refuse_other_folder(root)
    if not (root / "made").exists() or not all(_fits(step) for step in steps):
        _start_over(root, versions[0], workspace, params)
    own = Workspace(root / "workspace")
    return Walk(root, own, load_params(own.params_file), tuple(steps), tuple(adapters), facts, limit, tuple(once))


def install(version: Version, root: Path) -> None:
    """Copy a version to the place that the walk's workspace follows."""
    documents, questions = _incoming(root)
    shutil.rmtree(documents, ignore_errors=True)
    if version.documents.is_dir():
        shutil.copytree(version.documents, documents)
    else:
        documents.mkdir(parents=True)
        shutil.copyfile(version.documents, documents / "documents.jsonl")
    shutil.copyfile(version.questions, questions)


def _incoming(root: Path) -> tuple[Path, Path]:
    return root / "incoming" / "documents", root / "incoming" / "questions.jsonl"


def _settings(params: Params) -> dict[str, Any]:
    settings = params.model_dump(mode="json", exclude=_NO_INPUT)
    settings["knowledge"] = {name: value for name, value in settings["knowledge"].items() if name not in _OWN}
    return settings


def _fits(step: Step) -> bool:
    return not step.has("inputs") or step.read("inputs")["digest"] == step.digest


def _refuse_other_folder(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise WorkspaceError("not a folder", where=str(root), do="name another with --into")
    if root.is_dir() and any(root.iterdir()) and not (root / ".walk").exists():
        raise WorkspaceError("holds other things than a walk", where=str(root), do="name another with --into")


def _refuse_overlap(root: Path, version: Version) -> None:
    if root.is_relative_to(version.documents) or version.documents.is_relative_to(root):
        raise ParamsError(
            f"the walk and version {version.name} lie in one another", where=str(root), do="name another with --into"
        )


def _start_over(root: Path, first: Version, workspace: Workspace, params: Params) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / ".walk").touch()
    # A walk inside a repository is not part of it.
    (root / ".gitignore").write_text("*\n", encoding="utf-8")
    (root / "made").unlink(missing_ok=True)
    for name in ("workspace", "steps", "incoming", "reports"):
        shutil.rmtree(root / name, ignore_errors=True)
    install(first, root)
    made = init_workspace(root / "workspace", *_incoming(root))
    for key, name in OPTIONAL_QUESTIONS.items():
        lent = workspace.resolve(getattr(params.knowledge, key))
        if lent.is_file():
            shutil.copyfile(lent, made.root / name)
    _lend_settings(made, workspace, params)
    git_repo.commit(made.root, ["params.yaml", *OPTIONAL_QUESTIONS.values()], "The settings of the walk")
    (root / "made").touch()


def _lend_settings(made: Workspace, workspace: Workspace, params: Params) -> None:
    lent = params.model_dump(mode="json", exclude={"knowledge": _OWN})
    # The registered models of this workspace must not replace those that another workspace serves.
    lent["tracking"]["experiment"] = f"{params.tracking.experiment}-timeline"
    change_params(made.params_file, lent)
