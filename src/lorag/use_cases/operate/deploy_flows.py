"""The registration of a workspace's deployments: those of prefect.yaml, with the schedules that params name."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from lorag.errors import ParamsError, WorkspaceError
from lorag.integrations.prefect.deployments import deploy_file, end_schedules, ensure_work_pool, read_parameters
from lorag.integrations.prefect.events import EventName
from lorag.integrations.prefect.notices import notify_of_failures
from lorag.integrations.prefect.server import require_server, workspace_name
from lorag.integrations.shown_address import shown_address
from lorag.params import Params, Schedule, SchedulesParams
from lorag.use_cases.operate.operate_servers import running_api
from lorag.workspace import Workspace

PREFECT_FILE = "prefect.yaml"
NOTIFY_URL = "LORAG_NOTIFY_URL"
_RETRAIN = "retrain_adapter"


@dataclass(frozen=True, slots=True)
class Deployed:
    """The deployments, named `flow/workspace`, with their schedules, and whether failures are sent out."""

    schedules: Mapping[str, Schedule]
    notified: bool

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag deploy --json` prints."""
        return {"deployments": dict(self.schedules), "notified": self.notified}


def deploy_flows(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> Deployed:
    """Create the work pool, register the deployments, and have failures sent to `LORAG_NOTIFY_URL` if that is set.

    It can be repeated at any time, and must be after a change of `schedules:` or of prefect.yaml. Raises ParamsError
    for a file that is not a prefect.yaml, StoreFailed if the server refuses or cannot be reached, and WorkspaceError if
    another workspace of this machine has deployments of the same names there.
    """
    name, api = workspace_name(workspace.root), environment.get("PREFECT_API_URL") or require_server()
    tree = fill_in(read_prefect_file(workspace.root), params.schedules)
    if api != running_api(workspace):
        _refuse_clash(tree, name, workspace, api)
    target = workspace.state / "prefect" / PREFECT_FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8") as file:
        YAML().dump(tree, file)
    placeholders = {"PREFECT_API_URL": api, "LORAG_WORKSPACE": name, "LORAG_WORKSPACE_ROOT": str(workspace.root)}
    ensure_work_pool(name, api)
    deploy_file(target, workspace.root, {**environment, **placeholders})
    for one in tree["deployments"]:
        if not one["schedules"]:
            end_schedules(f"{_flow_of(one)}/{name}", api)
    notified = notify_of_failures(name, environment.get(NOTIFY_URL) or None, api)
    found = {f"{_flow_of(one)}/{name}": schedule_of(one, params.schedules) for one in tree["deployments"]}
    return Deployed(found, notified)


def _refuse_clash(tree: Any, name: str, workspace: Workspace, api: str) -> None:
    """Raise WorkspaceError if deployments would be taken from another workspace that is still there.

    The server of a workspace alone may name the place from which the workspace was copied.
    """
    for one in tree["deployments"]:
        deployment = f"{_flow_of(one)}/{name}"
        other = Path(read_parameters(deployment, api).get("workspace_root", workspace.root)).resolve()
        if other != workspace.root.resolve() and Workspace(other).params_file.is_file():
            raise WorkspaceError(
                f"the deployment {deployment} belongs to the workspace {other}",
                where=shown_address(api),
                do=f"give the folder {workspace.root} another name, or delete that deployment",
            )


def read_prefect_file(root: Path) -> Any:
    """Return the workspace's prefect.yaml, or lorag's own if a workspace has none."""
    path = root / PREFECT_FILE
    if not path.is_file():
        path = Path(str(files("lorag") / "workspace_template" / PREFECT_FILE))
    try:
        tree = YAML().load(path.read_text(encoding="utf-8"))
        if all(isinstance(one["entrypoint"], str) for one in tree["deployments"]):
            return tree
    except (OSError, YAMLError, KeyError, TypeError) as error:
        raise ParamsError(f"the deployments cannot be read: {error}", where=str(path), do="fix the file") from None
    raise ParamsError("a deployment without an entrypoint", where=str(path), do="fix the file")


def fill_in(tree: Any, params: SchedulesParams) -> Any:
    """Return the tree with a schedule for each deployment without its own, and with what params decide beside it."""
    for deployment in tree["deployments"]:
        schedule = schedule_of(deployment, params)
        timing = {"cron" if isinstance(schedule, str) else "interval": schedule, "timezone": params.timezone}
        deployment.setdefault("schedules", [] if schedule is None else [timing])
        if _flow_of(deployment) == _RETRAIN:
            # A run on schedule asks the policy; in a prefect.yaml of an earlier version it trained everything.
            deployment["parameters"] = {"only_due": True, **deployment.get("parameters", {})}
        for trigger in deployment.get("triggers", []):
            if EventName.RELEASE_PUBLISHED in trigger.get("expect", []):
                trigger["match"]["lorag.by"] = list(params.compare_after)
                trigger["enabled"] = bool(params.compare_after)
    return tree


def schedule_of(deployment: Mapping[str, Any], params: SchedulesParams) -> Schedule:
    """Return the schedule that params have for this deployment."""
    known = {
        "refresh_index": params.refresh,
        _RETRAIN: params.retrain,
        "compare_strategies": params.compare,
        "clean_up": params.clean_up,
    }
    return known.get(_flow_of(deployment))


def _flow_of(deployment: Mapping[str, Any]) -> str:
    return str(deployment["entrypoint"]).replace(":", ".").rsplit(".", 1)[-1]
