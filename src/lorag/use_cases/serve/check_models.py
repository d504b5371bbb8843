"""A check that the models in params are present and are those that the served release was made with."""

from lorag.errors import LoragError
from lorag.integrations.models.files import model_sha256, resolve_model
from lorag.params import Params
from lorag.releases.record import Release
from lorag.use_cases.asking.versions import BASE_MODEL, EMBEDDER, model_references
from lorag.workspace import Workspace


def find_model_problems(workspace: Workspace, params: Params, served: Release | None) -> dict[str, str | None]:
    """Return what is wrong with each model that params name, and what to do; None if nothing is wrong.

    Nothing is fetched, and a file that did not change since the last check is not read.
    """
    problems: dict[str, str | None] = {}
    for name, reference in model_references(params).items():
        if reference is None:
            continue
        try:
            sha256 = model_sha256(resolve_model(reference, fetch=False))
            problems[name] = _compare(name, sha256, served)
        except LoragError as error:
            problems[name] = str(error)
    return problems


def _compare(name: str, sha256: str, served: Release | None) -> str | None:
    if served is None:
        return None
    if name == EMBEDDER and sha256 != served.embedder_sha256:
        return "its files differ from those that the served index was made with; run `lorag refresh`"
    if name == BASE_MODEL and served.adapters and sha256 != served.base_model_sha256:
        return "its files differ from those that the served adapters were trained on; run `lorag retrain`"
    return None
