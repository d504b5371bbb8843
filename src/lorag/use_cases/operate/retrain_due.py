"""Which adapters should not wait for their schedule."""

from lorag.costs.pending import When
from lorag.params import Params
from lorag.strategies import AdapterKind
from lorag.use_cases.serve.status import read_status
from lorag.workspace import Workspace


def adapters_due(workspace: Workspace, params: Params) -> list[AdapterKind]:
    """The served adapters that `lorag status` and `lorag advise --pending` would have trained now."""
    states = read_status(workspace, params).adapters
    return [kind for kind, state in states.items() if state.retrain is When.NOW]
