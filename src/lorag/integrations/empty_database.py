"""New SQLite databases as copies of an empty one, which is migrated once for a version of the software that reads it.

The migrations of MLflow and of Prefect take seconds, and a copy takes milliseconds.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from lorag.errors import StoreFailed
from lorag.integrations.models.cache import home_folder, keep_folder


def keep_empty_database(package: str, name: str, script: str, variables: Callable[[Path], Mapping[str, str]]) -> Path:
    """Return the empty database `name` for the installed version of a package; the first call makes it in seconds.

    `script` migrates it in a process of its own, with the `variables` that it gives for a folder. Raises StoreFailed if
    it cannot be made or kept.
    """

    def build(folder: Path) -> None:
        environment = {**os.environ, **variables(folder)}
        try:
            subprocess.run([sys.executable, "-P", "-c", script], env=environment, check=True)
        except subprocess.CalledProcessError as error:
            raise StoreFailed(
                f"no empty database for {package} could be made",
                where=str(folder),
                do="look at the messages above; the folder must be writable, with free space",
            ) from error
        with closing(sqlite3.connect(folder / name)) as connection:
            # What is in the log goes into the file, which is then copied alone.
            connection.execute("PRAGMA journal_mode = DELETE")

    return keep_folder(home_folder() / package / version(package), build) / name


def provide_database(path: Path, keep_empty: Callable[[], Path]) -> None:
    """Copy the empty database to `path`, unless a file is there; never replaces that of a command that was faster."""
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        shutil.copyfile(keep_empty(), temporary)
        _name(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _name(temporary: Path, path: Path) -> None:
    """Give the file its name, unless another file has it."""
    try:
        # Unlike a rename, this never replaces a file.
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError:
        # exFAT and some network drives have no hard links.
        with FileLock(path.with_name(f".{path.name}.lock")):
            if not path.exists():
                temporary.rename(path)
