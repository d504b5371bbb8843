"""How a use case becomes a task of a flow."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE

P = ParamSpec("P")
R = TypeVar("R")


def as_step(name: str, function: Callable[P, R]) -> Task[P, R]:
    """The function as a task that leaves nothing behind: results hold document text, and caching is DVC's."""
    return task(name=name, cache_policy=NO_CACHE, persist_result=False)(function)
