"""Use cases as tasks of a flow, and the lock that makes a flow the only writer."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.tasks import exponential_backoff

from lorag.errors import StoreFailed
from lorag.integrations.machine.disk import require_space
from lorag.params import Params
from lorag.releases.durable import writer_lock
from lorag.workspace import Workspace

P = ParamSpec("P")
R = TypeVar("R")

RETRIES = 2
FIRST_DELAY_S = 2
"""The delay before the second try; it doubles before each further one."""


def as_step(name: str, function: Callable[P, R], *, retries: int = RETRIES) -> Callable[P, R]:
    """Return the function as a task of `as_task` that a flow calls, and whose arguments Prefect does not look into.

    It looks for futures in all that a task is given, and in the plan for 30,000 chunks it would look for a minute.
    """

    @wraps(function)
    def opened(*args: Any, **kwargs: Any) -> R:
        return function(*map(_open, args), **{name: _open(value) for name, value in kwargs.items()})

    step = as_task(name, opened, retries=retries)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return step(*map(_Closed, args), **{name: _Closed(value) for name, value in kwargs.items()})

    return call


class _Closed:
    """An argument that Prefect does not look into, as it does with dataclasses and collections."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


def _open(argument: object) -> Any:
    # Defaults are filled in by Prefect, and stand alone.
    return argument.value if isinstance(argument, _Closed) else argument


def as_task(name: str, function: Callable[P, R], *, retries: int = RETRIES) -> Task[P, R]:
    """Return the function as a task that stores nothing: results contain document text, and DVC does the caching.

    It is retried if a store or a service failed, because that may pass; never if a gate or the input was refused.
    `retries` is 0 for what must not be done twice.
    """
    return task(
        name=name,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=retries,
        retry_delay_seconds=exponential_backoff(backoff_factor=FIRST_DELAY_S),
        retry_condition_fn=may_pass,
    )(function)


def may_pass(task: Task[..., Any], task_run: Any, state: Any) -> bool:
    """Return whether the failure may pass with time."""
    return isinstance(state.data, StoreFailed)


def run_name(verb: str) -> Callable[[], str]:
    """Return a function that names a run of a flow by what, where and why: `retrain handbook tuned, on schedule`."""

    def name() -> str:
        context = FlowRunContext.get()
        if context is None or context.flow_run is None or context.parameters is None:
            return verb
        where = Path(context.parameters["workspace_root"]).resolve().name
        of = [str(one) for one in context.parameters.get("adapters") or ()]
        return f"{' '.join([verb, where, *of])}, {_cause(context.flow_run)}"

    return name


def _cause(run: FlowRun) -> str:
    if run.parent_task_run_id is not None:
        return "in a walk"
    by = run.created_by.type if run.created_by else None
    known = {"SCHEDULE": "on schedule", "AUTOMATION": "on an event"}
    return known.get(by or "", "by hand" if run.deployment_id is None else "on request")


def is_deployed() -> bool:
    """Return whether the server started this flow, so that nobody waits for it at a terminal."""
    context = FlowRunContext.get()
    return bool(context and context.flow_run and context.flow_run.deployment_id)


def hold_writer_lock(workspace: Workspace, params: Params) -> AbstractContextManager[None]:
    """Return the workspace's write lock; a deployed run waits for it, a run from a terminal raises Busy at once.

    Raises StoreFailed if the disk is nearly full.
    """
    require_space(workspace.root, workspace.documents_file.parent.glob("*"))
    return writer_lock(workspace.lock_file, wait_s=params.schedules.writer_wait_s if is_deployed() else 0)
