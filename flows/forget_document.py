"""The flow that erases a document; its run keeps the document's id as a parameter, and nothing else of it."""

import os
from pathlib import Path

from prefect import flow

from flows.steps import as_step, run_name
from lorag.params_file import load_params
from lorag.use_cases.operate import forget as use_case
from lorag.use_cases.operate.forget import Receipt
from lorag.workspace import Workspace

erase = as_step("forget", use_case.forget_document)


@flow(name="forget_document", flow_run_name=run_name("forget"), persist_result=False, validate_parameters=False)
def forget_document(workspace_root: str, document: str) -> Receipt:
    """Take a document out of all answers, then out of every store; raises what the use case raises."""
    workspace = Workspace(Path(workspace_root).resolve())
    return erase(document, workspace, load_params(workspace.params_file), os.environ)
