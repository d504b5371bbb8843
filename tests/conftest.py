import os

import pytest


def _take_one_core() -> None:
    """Keep a process of the tests, and all that it starts, on a core of its own where there are no more cores.

    Threads that wait for each other at each step crawl where another process has one of their cores.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if 0 < len(cores) <= workers:
        number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
        os.sched_setaffinity(0, {cores[number % len(cores)]})


# Before the libraries that start threads are imported.
_take_one_core()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, so that no process is left alone with one of them at the end."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)
