"""DVC in this process: it versions the source and runs the stale stages."""

import hashlib
import json
import os
import re
import sqlite3
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import chdir, contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lorag import errors
from lorag.integrations.dvc.adapted import adapted_libraries
from lorag.integrations.dvc.stage_process import stages_run_by_process
from lorag.integrations.git_repo import no_other_repository
from lorag.integrations.machine.process_tree import end_with

if TYPE_CHECKING:
    from dvc.repo import Repo

VERSIONS_STAGE = "versions"
"""Its command writes versions.json, for those who call DVC themselves."""

_OWN_REMOTE = "workspace"
_REMOTE_URL = re.compile(rf"""\['remote "{_OWN_REMOTE}"'\]\n\s*url = "?(?P<root>/.*)/\.dvc/cache"?$""", re.MULTILINE)

STAGE_ERROR_FILE = "LORAG_STAGE_ERROR_FILE"
"""The variable with the path of the file in which a stage, a process of its own, reports its error to the flow."""

STAGE_CALLER = "LORAG_STAGE_CALLER"
"""The variable with the id of the process that a stage works for; a shell may run between the two."""


SAFE_PATH = "PYTHONSAFEPATH"
"""The variable that keeps Python from importing files of the working folder, such as a user's calendar.py."""


def init_dvc(root: Path) -> None:
    """Make `root`, a git repository, a DVC repository that sends no analytics and writes nothing outside itself."""
    from dvc.repo import Repo

    with _quiet(root), Repo.init(str(root)) as repo:
        with repo.config.edit("repo") as config:
            config["core"] = {"analytics": False, "site_cache_dir": ".dvc/tmp/site"}
            config["core"]["remote"] = _OWN_REMOTE
    _add_remote(root / ".dvc" / "config", str(root / ".dvc" / "cache"))


def _add_remote(config_file: Path, url: str) -> None:
    """Lets a clone on the same machine `dvc pull` without any set-up, until a real remote replaces it.

    DVC itself cannot write a path that is not ASCII into its config, though it reads one.
    """
    from configobj import ConfigObj

    config = ConfigObj(str(config_file), encoding="utf-8", interpolation=False)
    config[f'remote "{_OWN_REMOTE}"'] = {"url": url}
    config.initial_comment, config.indent_type = [], "    "
    with config_file.open("wb") as file:
        config.write(file)


def config_after_a_move(root: Path) -> tuple[str, str] | None:
    """Where the workspace was when `init_dvc` named its remote, and a `.dvc/config` that names it where it is now.

    None where that is the same, where a workspace is still there, of which this one is a clone, and where another
    remote has taken its place.
    """
    try:
        text = (root / ".dvc" / "config").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    found = _REMOTE_URL.search(text)
    if found is None or Path(found["root"]) == root or Path(found["root"], ".dvc").is_dir():
        return None
    return found["root"], text[: found.start("root")] + str(root) + text[found.end("root") :]


def lost_remote(root: Path) -> str | None:
    """Return what is wrong with the remote that `init_dvc` named, and what to do; None if nothing is."""
    if (moved := config_after_a_move(root)) is None:
        return None
    return (
        f"the remote `workspace` is {moved[0]}/.dvc/cache, which is not there any more; if this workspace was moved, "
        f"run `lorag upgrade`; if it is a clone, run `dvc remote modify workspace url` with the place of the original"
    )


def track(root: Path, path: Path) -> str:
    """Version a file or folder with DVC; return its md5. Unchanged content costs a look at the file times."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with _quiet(root), Repo(str(root)) as repo:
            _drop_torn_files(repo)
            stage = repo.add(str(path))[0]
            return str(stage.outs[0].hash_info.value)
    except (DvcException, OSError, sqlite3.Error) as error:
        raise _store_failed(f"DVC cannot version {path.name}: {error}") from error


def reproduce(root: Path, targets: Sequence[str], *, alone: bool = False, light: Collection[str] = ()) -> list[str]:
    """Run the stale stages among the targets and all that they need, in order; return the names of those that ran.

    With `alone` only the targets run, and what they need is taken as it lies there, as versions.json always is. The
    `light` stages share a process, if one was started for them. A stage's own error is raised as it is; whatever else
    goes wrong in DVC raises StoreFailed.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo, lock_repo

    with tempfile.TemporaryDirectory(prefix="lorag-") as folder, _stage_environment(Path(folder)) as error_file:
        try:
            with _quiet(root), stages_run_by_process(light), Repo(str(root)) as repo:
                _drop_torn_files(repo)
                # What DVC knows of the stages lasts as long as its lock.
                with lock_repo(repo):
                    _take_versions_as_they_are(repo)
                    ran = [stage.addressing for stage in repo.reproduce(list(targets), single_item=alone)]
                return [name for name in ran if name != VERSIONS_STAGE]
        except DvcException as error:
            if error_file.exists():
                raise _error_of_stage(json.loads(error_file.read_text(encoding="utf-8"))) from error
            raise _store_failed(f"dvc repro failed: {_root_cause(error)}") from error
        except (OSError, sqlite3.Error) as error:
            raise _store_failed(f"dvc repro failed: {getattr(error, 'strerror', None) or error}") from error


def is_stale(root: Path, target: str) -> bool:
    """Return whether `reproduce` would run this stage or take it from the run cache; nothing is run.

    What it needs is taken as it is. Raises StoreFailed.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with _quiet(root), Repo(str(root)) as repo:
            return bool(repo.reproduce([target], dry=True, single_item=True))
    except (DvcException, OSError, sqlite3.Error) as error:
        raise _store_failed(f"dvc repro --dry failed: {_root_cause(error)}") from error


def revision(root: Path) -> str | None:
    """Return a name for the versions of all data and artifacts: dvc.lock's md5; None if nothing was reproduced yet."""
    try:
        return hashlib.md5((root / "dvc.lock").read_bytes(), usedforsecurity=False).hexdigest()
    except OSError:
        return None


def end_with_caller() -> None:
    """End this process soon after the process that it works for has ended.

    A stage calls it. Without it a stage that a killed run left behind would write at the same time as the next run.
    """
    if caller := os.environ.get(STAGE_CALLER):
        end_with(int(caller))


def report_stage_error(error: errors.LoragError) -> bool:
    """Leave the error for `reproduce`, and return whether it waits for one. A stage's process calls it."""
    if target := os.environ.get(STAGE_ERROR_FILE):
        value = {"type": type(error).__name__, "what": error.what, "where": error.where, "do": error.do}
        Path(target).write_text(json.dumps(value), encoding="utf-8")
        return True
    return False


def _take_versions_as_they_are(repo: "Repo") -> None:
    """Spare the process of a stage that would always run, because the caller has written versions.json.

    DVC then only records in dvc.lock what the file holds.
    """
    for stage in repo.index.stages:
        if stage.addressing == VERSIONS_STAGE:
            stage.frozen = True


def _drop_torn_files(repo: "Repo") -> None:
    """Remove the files that a killed process left half-written, because DVC refuses all work with them.

    These are its read/write lock file, which DVC reads only under a lock of its own, and dvc.lock, whose stages are
    then restored from the run cache. A dvc.lock with git's conflict marks is left to its owner.
    """
    from dvc.dvcfile import LOCK_FILE, Lockfile
    from dvc.lock import make_lock
    from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK
    from dvc.utils.serialize import ParseError
    from dvc.utils.strictyaml import YAMLValidationError

    folder = Path(repo.tmp_dir)
    hardlink = repo.config["core"].get("hardlink_lock", False)
    with make_lock(str(folder / RWLOCK_LOCK), tmp_dir=str(folder), hardlink_lock=hardlink):
        try:
            json.loads((folder / RWLOCK_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            pass
        except ValueError:
            (folder / RWLOCK_FILE).unlink()
    lock_file = Path(repo.root_dir) / LOCK_FILE
    try:
        Lockfile(repo, str(lock_file)).load()
    except (ParseError, YAMLValidationError):
        if "<<<<<<<" not in lock_file.read_text(encoding="utf-8", errors="replace"):
            lock_file.unlink()


def _error_of_stage(value: dict[str, str]) -> errors.LoragError:
    kind: type[errors.LoragError] = getattr(errors, value["type"])
    return kind(value["what"], where=value["where"], do=value["do"])


def _store_failed(what: str) -> errors.StoreFailed:
    return errors.StoreFailed(what, do="run `dvc repro` by hand to see all of its output")


def _root_cause(error: BaseException) -> BaseException:
    return _root_cause(error.__cause__) if error.__cause__ else error


@contextmanager
def _stage_environment(folder: Path) -> Iterator[Path]:
    # Stages call `python`: it has to be this one, whether or not its environment is activated.
    before = {name: os.environ.get(name) for name in ("PATH", STAGE_ERROR_FILE, STAGE_CALLER, SAFE_PATH)}
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    os.environ[STAGE_ERROR_FILE] = str(folder / "error.json")
    os.environ[STAGE_CALLER] = str(os.getpid())
    os.environ[SAFE_PATH] = "1"
    try:
        yield folder / "error.json"
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quiet(root: Path) -> Iterator[None]:
    # DVC takes the dvc.yaml of the working directory, whatever repository it was given. Its hints on what to do next
    # with git are for people who call it themselves.
    import logging

    logger: Any = logging.getLogger("dvc")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with (
            no_other_repository(),
            adapted_libraries(),
            chdir(root),
            Path(os.devnull).open("w", encoding="utf-8") as nowhere,
            redirect_stdout(nowhere),
        ):
            yield
    finally:
        logger.setLevel(level)
