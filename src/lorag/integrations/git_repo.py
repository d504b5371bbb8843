"""The few git commands that a workspace needs; git itself is a prerequisite of lorag."""

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from lorag.errors import StoreFailed, WorkspaceError

_OF_ANOTHER_REPOSITORY = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_IMPLICIT_WORK_TREE",
)
"""The variables that tell git which repository to use; git itself sets them for its hooks."""

# A workspace's commits hold pointers that code wrote, unattended: nobody is there to sign them or to answer a hook, and
# what a user ignores in all repositories is not meant for them.
_UNATTENDED = (
    "-c",
    "commit.gpgSign=false",
    "-c",
    f"core.hooksPath={os.devnull}",
    "-c",
    f"core.excludesFile={os.devnull}",
)


def is_repository_root(root: Path) -> bool:
    """Whether a git repository starts at `root`."""
    return (root / ".git").exists()


def is_bare_repository(root: Path) -> bool:
    """Whether the folder is the inside of a git repository, as a server keeps one."""
    return (root / "HEAD").is_file() and (root / "objects").is_dir() and (root / "refs").is_dir()


def init_repository(root: Path) -> None:
    """Create an empty git repository on branch main, in which the user's rules for all repositories ignore nothing."""
    _git(root, "init", "--quiet", "--initial-branch=main")
    # DVC, too, refuses to version what is ignored.
    _git(root, "config", "core.excludesFile", os.devnull)


@contextmanager
def no_other_repository() -> Iterator[None]:
    """Let libraries in this process find the repository by its folder, whatever the environment names."""
    hidden = {name: os.environ.pop(name) for name in _OF_ANOTHER_REPOSITORY if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


def refuse_ignored(root: Path, paths: Sequence[str]) -> None:
    """Raise WorkspaceError if git ignores one of the paths, which a refresh commits."""
    if is_repository_root(root) and (found := ignored(root, paths)):
        raise WorkspaceError(
            f"git ignores {found[0]} here, which a refresh commits",
            where=str(root),
            do=f"remove the rule that `git check-ignore -v {found[0]}` shows; if it is for all repositories, "
            "run `git config core.excludesFile /dev/null` here",
        )


def head_commit(root: Path) -> str | None:
    """Return the full hash of HEAD; None if nothing was committed or `root` is no repository."""
    try:
        return _git(root, "rev-parse", "--verify", "--quiet", "HEAD").strip() or None
    except StoreFailed:
        return None


def resolve_commit(root: Path, revision: str) -> str | None:
    """Return the full hash of the commit that a branch, tag or other name means; None if there is none."""
    if revision.startswith("-"):
        return None
    try:
        return _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip() or None
    except StoreFailed:
        return None


def tagged_at(roots: Iterable[Path], names: Iterable[str]) -> datetime | None:
    """Return when a tag with one of the names was made, in the first of the repositories that has one; None if none."""
    refs = [f"refs/tags/{name}" for name in names]
    for root in roots:
        # A folder that is no repository has no tags.
        with suppress(StoreFailed):
            made = _git(root, "for-each-ref", "--format=%(creatordate:unix)", "--count=1", *refs).strip()
            if made:
                return datetime.fromtimestamp(int(made), UTC)
    return None


def read_at(root: Path, commit: str, path: str) -> str | None:
    """Return the text of a file at a commit; None if it is not there. `path` is relative to `root`."""
    if not _git(root, "ls-tree", "--name-only", commit, "--", path).strip():
        return None
    return _git(root, "cat-file", "blob", f"{commit}:./{path}")


def ignored(root: Path, paths: Sequence[str]) -> list[str]:
    """Return the `paths`, existing or not, that git ignores by a rule of the repository or of the user."""
    try:
        return _git(root, "check-ignore", "--", *paths).splitlines()
    except StoreFailed:
        # git fails in this way if there are none.
        return []


def unignored(root: Path) -> list[str]:
    """Return the files below `root`, as paths relative to it, that git tracks or would offer to track."""
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return [name for name in listed.split("\0") if name]


def commit(root: Path, paths: Sequence[str], message: str) -> bool:
    """Commit these paths and nothing else that may be staged; return False if they hold no change.

    No hook runs and nothing is signed.
    """
    _git(root, *_UNATTENDED, "add", "--", *paths)
    # The files by name: a folder without any file is no path to git, which would then refuse to commit the others.
    listed = _git(root, "diff", "--cached", "--name-only", "--no-renames", "--relative", "-z", "--", *paths)
    changed = [name for name in listed.split("\0") if name]
    if not changed:
        return False
    _git(root, *_UNATTENDED, *_identity(root), "commit", "--quiet", "--no-verify", "-m", message, "--", *changed)
    return True


def count_blobs(root: Path, is_one: Callable[[bytes], bool]) -> int:
    """Return how many contents in the repository, of any commit or of none, `is_one` names; raises StoreFailed."""
    listed = _git(root, "cat-file", "--batch-all-objects", "--batch-check", "--unordered").splitlines()
    names = [line.split()[0] for line in listed if line.split()[1:2] == ["blob"]]
    environment = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_REPOSITORY}
    found = 0
    with subprocess.Popen(
        ["git", "cat-file", "--batch"],  # noqa: S607 - the git that the user would call
        cwd=root,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for name in names:
            process.stdin.write(f"{name}\n".encode())
            process.stdin.flush()
            size = int(process.stdout.readline().split()[2])
            found += is_one(process.stdout.read(size))
            process.stdout.read(1)
        process.stdin.close()
    return found


def user_name(root: Path) -> str | None:
    """Return the user's name as git knows it; None if it knows none."""
    try:
        return _git(root, "config", "user.name").strip() or None
    except StoreFailed:
        return None


def _identity(root: Path) -> list[str]:
    # A fresh machine has no git identity, or half of one; the workspace's own commits must not fail because of that.
    found = []
    for key, ours in (("user.name", "lorag"), ("user.email", "lorag@localhost")):
        try:
            known = _git(root, "config", key).strip()
        except StoreFailed:
            known = ""
        found += [] if known else ["-c", f"{key}={ours}"]
    return found


def _git(root: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_REPOSITORY}
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 - the git that the user would call
            cwd=root,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=True,
            timeout=120,
        )
    except FileNotFoundError as error:
        raise StoreFailed("git is not installed", do="install git") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        # The output of a command that timed out may be bytes, or None.
        said = error.stderr.strip()[:300] if isinstance(error.stderr, str) else "no answer within 120 s"
        command = next(
            part for before, part in zip(("", *arguments), arguments, strict=False) if part != "-c" != before
        )
        raise StoreFailed(f"git {command} failed: {said}", where=str(root)) from error
    return done.stdout
