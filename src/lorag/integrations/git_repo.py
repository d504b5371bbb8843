"""The few git commands that a workspace needs; git itself is a prerequisite of lorag."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lorag.errors import StoreFailed


def is_repository_root(root: Path) -> bool:
    """Whether a git repository starts at `root`."""
    return (root / ".git").exists()


def init_repository(root: Path) -> None:
    """Create an empty git repository on branch main."""
    _git(root, "init", "--quiet", "--initial-branch=main")


def head_commit(root: Path) -> str | None:
    """Return the full hash of HEAD; None if nothing was committed or `root` is no repository."""
    try:
        return _git(root, "rev-parse", "--verify", "--quiet", "HEAD").strip() or None
    except StoreFailed:
        return None


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
    """Commit these paths and nothing else that may be staged; return False if they hold no change."""
    _git(root, "add", "--", *paths)
    if not _git(root, "status", "--porcelain", "--", *paths).strip():
        return False
    _git(root, *_identity(root), "commit", "--quiet", "--no-verify", "-m", message, "--", *paths)
    return True


def user_name(root: Path) -> str | None:
    """Return the user's name as git knows it; None if it knows none."""
    try:
        return _git(root, "config", "user.name").strip() or None
    except StoreFailed:
        return None


def _identity(root: Path) -> list[str]:
    # A fresh machine has no git identity; the workspace's own commits must not fail because of that.
    try:
        _git(root, "config", "user.email")
    except StoreFailed:
        return ["-c", "user.name=lorag", "-c", "user.email=lorag@localhost"]
    return []


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True, timeout=120)
    except FileNotFoundError as error:
        raise StoreFailed("git is not installed", do="install git") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        # The output of a command that timed out may be bytes, or None.
        said = error.stderr.strip()[:300] if isinstance(error.stderr, str) else "no answer within 120 s"
        raise StoreFailed(f"git {arguments[0]} failed: {said}", where=str(root)) from error
    return done.stdout
