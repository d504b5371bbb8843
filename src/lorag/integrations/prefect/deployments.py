"""The registration of deployments with a Prefect server, as `prefect deploy` does it."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lorag.errors import StoreFailed
from lorag.integrations.prefect.server import connect_server

SHOWN_CHARS = 800


def ensure_work_pool(name: str, api: str) -> None:
    """Create a work pool of that name for processes on the server; an existing one stays as it is."""
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    pool = WorkPoolCreate(
        name=name,
        type=ProcessWorker.type,
        description="Flows of one lorag workspace.",
        base_job_template=ProcessWorker.get_default_base_job_template(),
    )
    with connect_server(api) as client:
        try:
            client.create_work_pool(pool)
        except ObjectAlreadyExists:
            return


def read_parameters(deployment: str, api: str) -> Mapping[str, Any]:
    """Return the parameters of the deployment `flow/name`; none if the server has no such deployment."""
    from prefect.exceptions import ObjectNotFound

    with connect_server(api) as client:
        try:
            return client.read_deployment_by_name(deployment).parameters
        except ObjectNotFound:
            return {}


def deploy_file(prefect_file: Path, root: Path, environment: Mapping[str, str]) -> None:
    """Register all deployments of a prefect.yaml, existing ones again; placeholders come from `environment`."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "prefect",
        "--no-prompt",
        "deploy",
        "--all",
        "--prefect-file",
        str(prefect_file),
    ]
    done = subprocess.run(
        command, cwd=root, env=dict(environment), capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-SHOWN_CHARS:]
        raise StoreFailed(
            f"`prefect deploy` failed: {said}",
            where=str(prefect_file),
            do="fix prefect.yaml, or check that the server runs",
        )


def end_schedules(deployment: str, api: str) -> None:
    """Remove all schedules of the deployment `flow/name`, and the runs that they planned.

    A file that names no schedules leaves those that the server already has.
    """
    with connect_server(api) as client:
        found = client.read_deployment_by_name(deployment)
        for schedule in found.schedules:
            if schedule.id is not None:
                client.delete_deployment_schedule(found.id, schedule.id)
