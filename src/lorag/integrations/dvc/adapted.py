"""What DVC's libraries do in a way that a workspace cannot stand, changed for as long as lorag calls them."""

import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_OF_THE_DISK = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


@contextmanager
def adapted_libraries() -> Iterator[None]:
    """Let a full disk end DVC's work, and let a path have braces.

    DVC's databases repeat a write that failed for ever, whatever the reason, and its progress bars take the path of the
    cache for a format.
    """
    from diskcache import Cache
    from dvc_data.hashfile import _progress

    cache_type: Any = Cache
    bar_type: Any = _progress.QueryingProgress
    sql, progress = cache_type._sql, bar_type.__init__
    cache_type._sql = property(lambda cache: _raising(sql.fget(cache), cache.directory))
    bar_type.__init__ = _escaping(progress)
    try:
        yield
    finally:
        cache_type._sql, bar_type.__init__ = sql, progress


def _raising(execute: Callable[..., Any], folder: str) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return execute(*arguments, **options)
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_DISK:
                raise OSError(errno.EIO, f"DVC's database: {error}", folder) from error
            raise

    return run


def _escaping(progress: Callable[..., None]) -> Callable[..., None]:
    def start(bar: Any, iterable: Any = None, total: Any = None, name: Any = None, phase: str = "Querying") -> None:
        shown = name.replace("{", "{{").replace("}", "}}") if isinstance(name, str) else name
        progress(bar, iterable, total, shown, phase)

    return start
