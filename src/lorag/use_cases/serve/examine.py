"""The checks of `lorag doctor`: tools, models, and every byte of the retained releases."""

import shutil
from collections.abc import Mapping

from lorag.errors import IntegrityFailed, LoragError
from lorag.integrations.dvc.dvc_files import altered_objects, damaged_outputs
from lorag.integrations.dvc.dvc_repo import lost_remote
from lorag.integrations.models.cache import converted_folders, verify_folder
from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.models.generators import asks_endpoint, prepare_generator
from lorag.params import Params
from lorag.releases.checks import Check
from lorag.releases.forgotten import read_forgotten
from lorag.releases.shelf import ReleaseShelf
from lorag.use_cases.refresh.steps import LIGHT_STAGES
from lorag.use_cases.serve.check_models import find_model_problems
from lorag.use_cases.serve.manage_releases import check_releases
from lorag.workspace import Workspace

MIN_FREE_BYTES = 1_000_000_000


def examine(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> list[Check]:
    """Return every check in a fixed order; they change nothing except the model cache."""
    checks = [_check_git(), _check_disk(workspace), _check_embedder(params), _check_base_model(params, environment)]
    checks.append(check_converted_models())
    found = {check.problem for check in checks}
    checks += [check for check in _check_files(workspace, params) if not check.problem or check.problem not in found]
    checks += [_check_data(workspace), *_check_forgotten(workspace)]
    return checks + check_releases(workspace, params, environment)


def _check_git() -> Check:
    found = shutil.which("git")
    return Check("git", None if found else "not on PATH; install git", found or "", is_damage=False)


def _check_disk(workspace: Workspace) -> Check:
    free = shutil.disk_usage(workspace.root).free
    problem = None if free >= MIN_FREE_BYTES else f"only {free / 1e6:.0f} MB free, {MIN_FREE_BYTES / 1e6:.0f} wanted"
    return Check("disk", problem, f"{free / 1e9:.1f} GB free", is_damage=False)


def _check_data(workspace: Workspace) -> Check:
    """Compare every byte of the artifacts and of DVC's objects with the digests that name them."""
    altered = [*damaged_outputs(workspace.root, LIGHT_STAGES), *altered_objects(workspace.root)]
    if altered:
        return Check("data", f"bytes changed in {', '.join(altered[:3])}; delete it, then run `lorag refresh`")
    remote = lost_remote(workspace.root)
    return Check("data", remote, "artifacts and objects match their digests", is_damage=False)


def _check_forgotten(workspace: Workspace) -> list[Check]:
    """Return a check that failed if the ledger of forgotten documents is damaged, or if an erasure was not finished."""
    try:
        read_forgotten(workspace.state)
    except IntegrityFailed as error:
        return [Check("forgotten documents", str(error))]
    if not workspace.forgetting_file.exists():
        return []
    problem = "the erasure of one was not finished; run `lorag forget` for it again"
    return [Check("forgotten documents", problem, is_damage=False)]


def _check_embedder(params: Params) -> Check:
    try:
        embedder = open_embedder(params.embedding)
    except LoragError as error:
        return Check("embedder", str(error))
    return Check("embedder", detail=f"{params.embedding.model}, {embedder.backend}")


def _check_files(workspace: Workspace, params: Params) -> list[Check]:
    """Report models that open but are not those that the served release was made with."""
    try:
        served = ReleaseShelf(workspace.state).served()
    except LoragError:
        # The check of the releases reports what is wrong with it.
        return []
    problems = find_model_problems(workspace, params, served)
    return [Check(f"files of {name}", problem, "they fit all that is served") for name, problem in problems.items()]


def _check_base_model(params: Params, environment: Mapping[str, str]) -> Check:
    if asks_endpoint(environment):
        return Check("base model", detail=f"{params.generation.endpoint_model}, at an endpoint")
    try:
        engine = prepare_generator(params.generation, environment)
    except LoragError as error:
        return Check("base model", str(error))
    return Check("base model", detail=f"{params.generation.model}, {engine}")


def check_converted_models() -> Check:
    """Compare every byte of the converted models of this user with their manifests."""
    folders = converted_folders()
    problems = []
    for folder in folders:
        try:
            verify_folder(folder)
        except LoragError as error:
            # Another command may have deleted it meanwhile, as one that was not used for long.
            if folder.exists():
                problems.append(str(error))
    return Check("converted models", "; ".join(problems) or None, f"{len(folders)}, their digests match")
