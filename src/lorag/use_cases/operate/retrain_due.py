"""The adapters that should not wait for their schedule."""

from lorag.costs.pending import When
from lorag.params import Params
from lorag.strategies import AdapterKind
from lorag.use_cases.serve.status import read_status
from lorag.workspace import Workspace


def adapters_due(workspace: Workspace, params: Params) -> list[AdapterKind]:
    """Return the served adapters for which `lorag status` and `lorag advise --pending` recommend a retrain now."""
    states = read_status(workspace, params).adapters
    return [kind for kind, state in states.items() if state.retrain is When.NOW]
