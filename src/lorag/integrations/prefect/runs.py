"""Flow runs of a workspace on a Prefect server."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lorag.integrations.prefect.server import connect_server

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

UNFINISHED = ["SCHEDULED", "PENDING", "RUNNING"]


def cancel_runs(flow: str, deployment: str) -> int:
    """Cancel the deployment's runs that have begun or could begin now; return how many. Raises StoreFailed."""
    from prefect.client.schemas.filters import DeploymentFilter, FlowFilter, FlowRunFilter
    from prefect.states import Cancelling

    begun: Any = {"state": {"type": {"any_": UNFINISHED}}, "expected_start_time": {"before_": datetime.now(UTC)}}
    with connect_server() as client:
        runs: list[FlowRun] = client.read_flow_runs(
            flow_filter=FlowFilter.model_validate({"name": {"any_": [flow]}}),
            deployment_filter=DeploymentFilter.model_validate({"name": {"any_": [deployment]}}),
            flow_run_filter=FlowRunFilter.model_validate(begun),
        )
        for run in runs:
            client.set_flow_run_state(run.id, Cancelling(message="Cancelled so that a refresh can run."))
    return len(runs)


def settle_leftovers(pool: str) -> int:
    """Mark a work pool's abandoned runs as crashed, or as cancelled if that was asked for; return how many."""
    from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
    from prefect.states import Cancelled, Crashed

    unfinished = FlowRunFilter.model_validate({"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}})
    with connect_server() as client:
        runs: list[FlowRun] = client.read_flow_runs(
            flow_run_filter=unfinished,
            work_pool_filter=WorkPoolFilter.model_validate({"name": {"any_": [pool]}}),
        )
        for run in runs:
            cancelled = run.state is not None and run.state.is_cancelling()
            ended = Cancelled if cancelled else Crashed
            client.set_flow_run_state(run.id, ended(message="The worker ended before the run did."))
    return len(runs)
