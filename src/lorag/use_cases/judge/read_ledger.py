"""The ledger: the cost of every update and every batch of answers of a workspace."""

from collections.abc import Mapping
from dataclasses import replace

from lorag.costs.ledger import Ledger
from lorag.integrations.mlflow.ledger import read_runs
from lorag.integrations.mlflow.tracking import locate_tracking
from lorag.params import Params
from lorag.use_cases.asking.unlogged_costs import read_notes
from lorag.use_cases.judge.read_reports import find_timeline
from lorag.use_cases.serve.answer_costs import read_served
from lorag.workspace import Workspace


def read_ledger(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> Ledger:
    """Return the ledger of the workspace's experiment, empty if nothing was run yet. Raises StoreFailed.

    Updates that failed or were killed are in it at once; the next update logs them. What the service answered is in it
    by day, from a file of the workspace. How soon changes were answered
    comes from the workspace's walk, which has its own workspace and experiment, or otherwise from runs.
    """
    location = locate_tracking(workspace.state, environment)
    ledger = read_runs(location, params.tracking.experiment, params.costs.currency).without_repeats()
    walk = find_timeline(workspace)
    if walk is not None:
        ledger = replace(ledger, fresh=walk.times_to_fresh())
    served = (answers.entry() for answers in read_served(workspace))
    return ledger.plus([*(note.entry() for note in read_notes(workspace)), *served])
