"""Whether enough has changed since the adapters were trained that they should not wait for their schedule."""

from lorag.costs.pending import hold
from lorag.params import Params
from lorag.use_cases.retrain.starting_adapter import read_lineage
from lorag.use_cases.serve.status import read_status
from lorag.workspace import Workspace


def adapters_due(workspace: Workspace, params: Params) -> list[str]:
    """The served adapters whose weights hold what is gone, or of which `advice.retrain_from_share` is other by now.

    The share is that of their documents or of their facts, whichever is greater. A closed-book adapter alone is due
    by its share: the others read what changed from the index.
    """
    status = read_status(workspace, params)
    if status.served is None:
        return []
    due = []
    for kind, entry in status.served.adapters.items():
        lineage = read_lineage(workspace.adapters / entry.sha256)
        n_learned = len(lineage["facts"]) if lineage else 0
        held = hold(kind, entry.documents, status.versions, len(status.adapters[kind].facts))
        if held.is_due(n_learned, params.advice):
            due.append(kind.value)
    return due
