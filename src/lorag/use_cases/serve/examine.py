"""What `lorag doctor` looks at: tools, models, and every byte of the retained releases."""

import shutil
from collections.abc import Mapping

from lorag.errors import LoragError
from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.models.files import convert_base_model, verify_model
from lorag.params import Params
from lorag.releases.checks import Check
from lorag.use_cases.serve.manage_releases import check_releases
from lorag.workspace import Workspace

MIN_FREE_BYTES = 1_000_000_000


def examine(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> list[Check]:
    """Every check in a fixed order; none of them changes anything but the model cache."""
    checks = [_check_git(), _check_disk(workspace), _check_embedder(params), _check_base_model(params)]
    return checks + check_releases(workspace, params, environment)


def _check_git() -> Check:
    found = shutil.which("git")
    return Check("git", None if found else "not on PATH; install git", found or "")


def _check_disk(workspace: Workspace) -> Check:
    free = shutil.disk_usage(workspace.root).free
    problem = None if free >= MIN_FREE_BYTES else f"only {free / 1e6:.0f} MB free, {MIN_FREE_BYTES / 1e6:.0f} wanted"
    return Check("disk", problem, f"{free / 1e9:.1f} GB free")


def _check_embedder(params: Params) -> Check:
    try:
        embedder = open_embedder(params.embedding)
    except LoragError as error:
        return Check("embedder", str(error))
    return Check("embedder", detail=f"{params.embedding.model}, {embedder.backend}")


def _check_base_model(params: Params) -> Check:
    try:
        verify_model(convert_base_model(params.generation.model))
    except LoragError as error:
        return Check("base model", str(error))
    return Check("base model", detail=params.generation.model)
