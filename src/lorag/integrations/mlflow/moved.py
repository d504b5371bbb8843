"""The places of artifacts in the database of a workspace that lies elsewhere now."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

from lorag.errors import StoreFailed

_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
_SCHEME = "file://"
_OWN = re.compile(r"(?P<root>/.*)/\.lorag/mlflow/artifacts(?:/|$)")


def move_artifacts(database: Path, root: Path, *, dry: bool = False) -> dict[str, int]:
    """How many places named each earlier root of the workspace; they name `root` from now on, unless `dry`.

    MLflow keeps absolute paths: in a workspace that was moved it would write its artifacts to where that was before.
    """
    if not database.is_file():
        return {}
    try:
        with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
            places = [place for place in _PLACES if _exists(connection, *place)]
            found = [(place, value) for place in places for value in _values(connection, *place)]
            earlier = {Path(match["root"]) for _, value in found if (match := _OWN.match(_path_of(value)))}
            moved = {str(old): 0 for old in sorted(earlier, reverse=True) if not old.is_relative_to(root)}
            for (table, column), value in found:
                path = Path(_path_of(value))
                old = next((each for each in moved if path.is_relative_to(each)), None)
                if old is None:
                    continue
                moved[old] += 1
                if not dry:
                    place = root / path.relative_to(old)
                    new = place.as_uri() if value.startswith(_SCHEME) else str(place)
                    # The names are constants of this module.
                    change = f"UPDATE {table} SET {column} = ? WHERE {column} = ?"  # noqa: S608
                    connection.execute(change, (new, value))
            return moved
    except sqlite3.Error as error:
        raise StoreFailed(
            f"cannot read the runs of MLflow: {error}", where=str(database), do="stop what uses it, then run this again"
        ) from error


def _path_of(value: str) -> str:
    return unquote(value.removeprefix(_SCHEME)) if value.startswith(_SCHEME) else value


def _exists(connection: sqlite3.Connection, table: str, column: str) -> bool:
    return any(row[1] == column for row in connection.execute(f"PRAGMA table_info({table})"))


def _values(connection: sqlite3.Connection, table: str, column: str) -> list[str]:
    query = f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608 - as above
    rows = connection.execute(query)
    return [str(row[0]) for row in rows]
