"""The adapters that are due by the policy in force."""

from contextlib import suppress

from lorag.costs.due import When, is_first_due
from lorag.errors import ParamsError, WorkspaceError
from lorag.params import Params
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import AdapterKind
from lorag.use_cases.retrain.last_retrain import since_last_try
from lorag.use_cases.retrain.publish_adapters import newest_release
from lorag.use_cases.retrain.steps import choose_adapters
from lorag.use_cases.serve.status import read_status
from lorag.workspace import Workspace


def adapters_due(workspace: Workspace, params: Params) -> list[AdapterKind]:
    """Return the adapters for which `lorag status` and `lorag advise --pending` recommend a retrain now.

    These include those that left service because of a forgotten document.
    """
    status = read_status(workspace, params)
    return [*(kind for kind, state in status.adapters.items() if state.due.when is When.NOW), *status.withdrawn]


def adapters_to_train(workspace: Workspace, params: Params) -> list[AdapterKind]:
    """Return those of `tuning.adapters` that a run by itself trains: those that are due, and those never trained.

    One that was tried and is not served, because its gate refused it, is due again by updates or days. Where nothing
    can be trained, because there are no questions or an endpoint answers, there are none. Raises WorkspaceError if
    nothing is served yet.
    """
    served, newest = ReleaseShelf(workspace.state).in_use(), newest_release(workspace)
    here = served.adapters if served else {}
    due = set(adapters_due(workspace, params)) if served else set()
    for kind in params.tuning.adapters:
        if kind not in here and is_first_due(kind, since_last_try(workspace, kind, newest), params.policy):
            due.add(kind)
    with suppress(ParamsError, WorkspaceError):
        return [kind for kind in choose_adapters(workspace, params, []) if kind in due]
    return []
