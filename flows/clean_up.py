"""The flow that deletes what no retained release needs."""

import os
from pathlib import Path

from prefect import flow

from flows.steps import as_step, hold_writer_lock, run_name
from lorag.params_file import load_params
from lorag.use_cases.operate import clean_up as use_case
from lorag.use_cases.operate.clean_up import CleanUpOutcome
from lorag.workspace import Workspace

delete = as_step("clean up", use_case.clean_up)


@flow(name="clean_up", flow_run_name=run_name("clean up"), persist_result=False, validate_parameters=False)
def clean_up(workspace_root: str) -> CleanUpOutcome:
    """Delete releases beyond retention, and indexes and adapters that no release names; the served release stays."""
    workspace = Workspace(Path(workspace_root).resolve())
    params = load_params(workspace.params_file)
    with hold_writer_lock(workspace, params):
        return delete(workspace, params, os.environ)
