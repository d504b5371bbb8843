"""A new database is a copy of an empty one, and a file that is there stays."""

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lorag.errors import StoreFailed
from lorag.integrations import empty_database
from lorag.integrations.mlflow import tracking


def test_a_new_store_has_its_own_first_experiment_below_its_own_folder(tmp_path: Path) -> None:
    stores = [tracking.locate_tracking(tmp_path / name, {}) for name in ("one", "two")]
    for store in stores:
        tracking.connect(store).create_experiment("lorag", artifact_location=store.artifact_root)
    places = {e.name: e.artifact_location for e in tracking.connect(stores[1]).search_experiments()}
    assert places == {
        "Default": str(tmp_path / "two" / "mlflow" / "artifacts" / "0"),
        "lorag": (tmp_path / "two" / "mlflow" / "artifacts").as_uri(),
    }


def test_the_empty_database_stays_empty_while_copies_are_written(tmp_path: Path) -> None:
    empty = tracking.keep_own_database()
    before = empty.read_bytes()
    tracking.connect(tracking.locate_tracking(tmp_path, {})).create_experiment("lorag")
    assert empty.read_bytes() == before
    with closing(sqlite3.connect(empty)) as connection:
        assert connection.execute("SELECT count(*) FROM experiments").fetchone() == (0,)


@pytest.fixture(params=["links", "no links"])
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system with hard links, and one without."""

    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", str(source), None, str(target))

    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("links")
def test_a_database_that_another_command_made_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "own.db"

    def keep_empty() -> Path:
        path.write_text("the other's", encoding="utf-8")
        (tmp_path / "empty.db").write_text("empty", encoding="utf-8")
        return tmp_path / "empty.db"

    empty_database.provide_database(path, keep_empty)
    assert path.read_text(encoding="utf-8") == "the other's"
    assert sorted(name for name in os.listdir(tmp_path) if not name.endswith(".lock")) == ["empty.db", "own.db"]


@pytest.mark.usefixtures("links")
def test_a_new_database_is_a_copy_with_or_without_hard_links(tmp_path: Path) -> None:
    empty, path = tmp_path / "empty.db", tmp_path / "own.db"
    empty.write_text("empty", encoding="utf-8")
    empty_database.provide_database(path, lambda: empty)
    assert path.read_text(encoding="utf-8") == empty.read_text(encoding="utf-8") == "empty"
    assert sorted(name for name in os.listdir(tmp_path) if not name.endswith(".lock")) == ["empty.db", "own.db"]


def test_an_empty_database_is_made_once_for_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORAG_HOME", str(tmp_path))
    script = "import os, sqlite3; sqlite3.connect(os.environ['HERE']).execute('CREATE TABLE t (x)')"

    def variables(folder: Path) -> dict[str, str]:
        made.append(folder)
        return {"HERE": str(folder / "x.db")}

    made: list[Path] = []
    found = {empty_database.keep_empty_database("pytest", "x.db", script, variables) for _ in range(2)}
    assert len(made) == 1
    assert found == {tmp_path / "pytest" / pytest.__version__ / "x.db"}


def test_a_migration_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORAG_HOME", str(tmp_path))
    with pytest.raises(StoreFailed, match="no empty database for pytest"):
        empty_database.keep_empty_database("pytest", "x.db", "raise SystemExit(1)", lambda folder: {})
