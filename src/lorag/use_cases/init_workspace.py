"""The creation of a workspace from any folder of documents."""

import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

from lorag.errors import InputRejected, WorkspaceError
from lorag.integrations import git_repo
from lorag.integrations.dvc import dvc_repo
from lorag.integrations.models.files import resolve_model
from lorag.knowledge.formats import format_of
from lorag.params_file import load_params
from lorag.use_cases.change_params import change_params
from lorag.use_cases.retrain.starting_adapter import write_starts
from lorag.workspace import COMMITTED, Workspace, find_workspace, refuse_unusable_path

IGNORED = "/.lorag/\n/artifacts/\n/reports/comparison.html\n"
SOURCE = "data/source"
QUESTIONS = "data/questions.jsonl"
OPTIONAL_QUESTIONS = {
    "controls": "data/controls.jsonl",
    "unanswerable": "data/unanswerable.jsonl",
    "style": "data/style.jsonl",
}
"""The files that are empty until a user fills them: a stage of dvc.yaml needs a file to depend on."""


def init_workspace(root: Path, source: Path, questions: Path | None, model: str | None = None) -> Workspace:
    """Create a git and DVC repository at `root` whose refresh reads `source`.

    A source elsewhere is copied in and versioned by DVC at each refresh; a source inside `root` is read in place.
    Raises WorkspaceError if `root` already is a workspace or lies in one, is a git repository that ignores what a
    refresh commits, or holds something in the place of a copy. Raises InputRejected if source or questions are missing,
    and ParamsError if `model`, a reference as in `generation.model`, leads nowhere.
    """
    root = root.resolve()
    _refuse_unusable(root, source, questions)
    if model is not None:
        model = _checked(model)
    is_new = not root.exists()
    try:
        _make(root, source.resolve(), questions.resolve() if questions else None, model)
    except BaseException:
        # Half a workspace would be in the way of the next attempt.
        if is_new:
            shutil.rmtree(root, ignore_errors=True)
        raise
    return Workspace(root)


def _make(root: Path, source: Path, questions: Path | None, model: str | None) -> None:
    # Texts, vectors and adapters will be in it: a folder that is made here is for its owner alone.
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    own_repository = not git_repo.is_repository_root(root)
    if own_repository:
        git_repo.init_repository(root)
    _write_params(root, source, questions, model)
    for name in ("dvc.yaml", "prefect.yaml"):
        shutil.copyfile(str(template(name)), root / name)
    with (root / ".gitignore").open("a", encoding="utf-8") as file:
        file.write(IGNORED)
    write_starts(Workspace(root), {})
    dvc_repo.init_dvc(root)
    if own_repository:
        git_repo.commit(root, _versioned_by_git(root), "Start the workspace")


def _versioned_by_git(root: Path) -> list[str]:
    knowledge = load_params(root / "params.yaml").knowledge
    paths = [".gitignore", ".dvc/config", ".dvc/.gitignore", ".dvcignore", "dvc.yaml", "params.yaml", "prefect.yaml"]
    paths += ["starts.json"]
    paths += OPTIONAL_QUESTIONS.values()
    # DVC versions what is copied from elsewhere, git what lies here.
    paths += [] if knowledge.origin else [knowledge.source]
    paths += [] if knowledge.questions_origin else [knowledge.questions]
    return paths


def template(name: str) -> Path:
    """Return the path of a packaged file of a workspace."""
    return Path(str(files("lorag") / "workspace_template" / name))


def _refuse_unusable(root: Path, source: Path, questions: Path | None) -> None:
    refuse_unusable_path(root)
    if root.exists() and not root.is_dir():
        raise WorkspaceError("not a folder", where=str(root), do="name a folder to make")
    if root == Path(root.anchor):
        raise WorkspaceError("the root of the file system cannot be a workspace", do="name another folder")
    for name in ("params.yaml", "dvc.yaml", ".dvc"):
        if (root / name).exists():
            raise WorkspaceError(f"there already is a {name}", where=str(root), do="use it, or name another folder")
    if git_repo.is_bare_repository(root):
        raise WorkspaceError("a bare git repository", where=str(root), do="name a folder for a clone of it, or another")
    if (outer := _workspace_around(root)) is not None:
        raise WorkspaceError(
            f"the workspace {outer} holds this folder",
            where=str(root),
            do="name a folder outside it, or use that workspace",
        )
    git_repo.refuse_ignored(root, COMMITTED)
    if not source.exists():
        raise InputRejected("no such source", where=str(source), do="give a folder of documents or a documents.jsonl")
    if not source.is_dir() and not (source.is_file() and format_of(source.name)):
        raise InputRejected(
            "the source is neither a folder nor a file that can be read",
            where=str(source),
            do="give a folder of documents or a documents.jsonl",
        )
    if root.is_relative_to(source.resolve()):
        raise WorkspaceError(
            "the workspace would lie inside its source", where=str(root), do="name a folder outside it"
        )
    if questions is not None and not questions.is_file():
        raise InputRejected("no such questions file", where=str(questions), do="give a JSONL file, or leave it out")
    for given, name in ((source, SOURCE), (questions, QUESTIONS)):
        if given is not None and not given.resolve().is_relative_to(root) and _holds_something(root / name):
            raise WorkspaceError(
                f"{name} holds something, and each refresh would copy {given} there",
                where=str(root),
                do="move it away, or name another folder",
            )


def _workspace_around(root: Path) -> Path | None:
    """Return the workspace that the folder would lie in; None if there is none, or if its git ignores the folder."""
    try:
        outer = find_workspace(root.parent).root
    except WorkspaceError:
        return None
    # Without a repository of its own it is a copy of lorag itself, which has the same files.
    is_workspace = git_repo.is_repository_root(outer) and not git_repo.ignored(outer, [str(root)])
    return outer if is_workspace else None


def _checked(model: str) -> str:
    """Return the reference for params, where a folder or file is absolute; raise ParamsError if it leads nowhere."""
    path = resolve_model(model)
    return model if model.startswith(("package:", "hub:")) else str(path)


def _holds_something(path: Path) -> bool:
    if path.is_symlink():
        return True
    return any(path.iterdir()) if path.is_dir() else path.exists() and path.stat().st_size > 0


def _write_params(root: Path, source: Path, questions: Path | None, model: str | None) -> None:
    inside = source.is_relative_to(root)
    knowledge: dict[str, Any] = {
        "source": str(source.relative_to(root)) if inside else SOURCE,
        "origin": None if inside else str(source),
        "commit": True,
        **OPTIONAL_QUESTIONS,
    }
    empty = [*OPTIONAL_QUESTIONS.values()]
    if questions is not None and questions.is_relative_to(root):
        knowledge["questions"] = str(questions.relative_to(root))
    else:
        knowledge |= {"questions": QUESTIONS, "questions_origin": str(questions) if questions else None}
        empty.append(QUESTIONS)
    for name in empty:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    shutil.copyfile(template("params.yaml"), root / "params.yaml")
    changes: dict[str, Any] = {"knowledge": knowledge}
    if model is not None:
        changes["generation"] = {"model": model}
    change_params(root / "params.yaml", changes)
