"""The adapters that should not wait for their schedule."""

from lorag.costs.pending import When
from lorag.params import Params
from lorag.strategies import AdapterKind
from lorag.use_cases.serve.status import read_status
from lorag.workspace import Workspace


def adapters_due(workspace: Workspace, params: Params) -> list[AdapterKind]:
    """Return the adapters for which `lorag status` and `lorag advise --pending` recommend a retrain now.

    These include those that left service because of a forgotten document.
    """
    status = read_status(workspace, params)
    return [*(kind for kind, state in status.adapters.items() if state.retrain is When.NOW), *status.withdrawn]
