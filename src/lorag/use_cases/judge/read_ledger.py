"""What every update and every batch of answers of a workspace cost."""

from collections.abc import Mapping

from lorag.costs.ledger import Ledger
from lorag.integrations.mlflow.ledger import read_runs
from lorag.integrations.mlflow.tracking import locate_tracking
from lorag.params import Params
from lorag.use_cases.asking.unlogged_costs import read_notes
from lorag.workspace import Workspace


def read_ledger(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> Ledger:
    """The ledger of the workspace's experiment, empty where nothing was run yet; raises StoreFailed.

    Updates that failed or were killed are in it at once; the next update logs them.
    """
    location = locate_tracking(workspace.state, environment)
    ledger = read_runs(location, params.tracking.experiment, params.costs.currency).without_repeats()
    return ledger.plus([note.entry() for note in read_notes(workspace)])
