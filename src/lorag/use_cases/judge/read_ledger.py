"""What every update and every batch of answers of a workspace cost."""

from collections.abc import Mapping

from lorag.costs.ledger import Ledger
from lorag.integrations.mlflow.ledger import read_runs
from lorag.integrations.mlflow.tracking import locate_tracking
from lorag.params import Params
from lorag.workspace import Workspace


def read_ledger(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> Ledger:
    """The ledger of the workspace's experiment, empty where nothing was run yet; raises StoreFailed."""
    location = locate_tracking(workspace.state, environment)
    return read_runs(location, params.tracking.experiment, params.costs.currency).without_repeats()
