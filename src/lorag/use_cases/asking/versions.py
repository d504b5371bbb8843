"""The file versions.json: what stages depend on besides data and settings, that is code, prompts and model files."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from lorag.answering import ANSWERING_VERSION, GENERATION_VERSION
from lorag.answering.prompts import prompts_digest
from lorag.errors import LoragError
from lorag.evaluation import MEASURES_VERSION
from lorag.integrations.great_expectations import VALIDATION_VERSION
from lorag.integrations.lora import LOOP_VERSION
from lorag.integrations.models.files import model_sha256, resolve_model
from lorag.knowledge.chunking import CHUNKER_VERSION
from lorag.knowledge.formats import parser_versions
from lorag.params import Params
from lorag.releases.durable import write_json_durably
from lorag.releases.forgotten import read_forgotten
from lorag.retrieval import SEARCH_VERSION
from lorag.tuning import TRAINING_SET_VERSION
from lorag.tuning.replay import general_digest
from lorag.workspace import Workspace

EMBEDDER, BASE_MODEL, RERANKER = "embedder", "base_model", "reranker"
MODELS = (EMBEDDER, BASE_MODEL, RERANKER)


def read_versions(workspace: Workspace, params: Params, *, fetch: Collection[str] = ()) -> dict[str, Any]:
    """Return the versions of what is installed.

    A model that cannot be found keeps its entry in versions.json: nothing shows that it changed, and the stages that
    need it report what is wrong. A model of the hub that is not on this machine is fetched if `fetch` names it.
    """
    before = kept_versions(workspace)
    # Where the documents are read in place, nothing else makes the stage stale that has to leave one out.
    forgotten = read_forgotten(workspace.state).digest
    models = {
        name: _fingerprint(reference, before.get(name), fetch=name in fetch)
        for name, reference in model_references(params).items()
    }
    return {
        "parser": parser_versions() | ({"forgotten": forgotten} if forgotten else {}),
        "chunker": CHUNKER_VERSION,
        "validation": VALIDATION_VERSION,
        "search": SEARCH_VERSION,
        "prompts": prompts_digest(),
        "answering": ANSWERING_VERSION,
        "generation": GENERATION_VERSION,
        "training_set": TRAINING_SET_VERSION,
        "general": general_digest(),
        "loop": LOOP_VERSION,
        "measures": MEASURES_VERSION,
        **models,
    }


def model_references(params: Params) -> dict[str, str | None]:
    """Return the models that answers depend on, by their name in versions.json; None for one that params do not use."""
    return {
        EMBEDDER: params.embedding.model,
        BASE_MODEL: params.generation.model,
        RERANKER: params.search.reranker,
    }


def write_versions(workspace: Workspace, params: Params, *, fetch: Collection[str] = ()) -> dict[str, Any]:
    """Update versions.json and return its content; a file that is up to date is not touched."""
    versions = read_versions(workspace, params, fetch=fetch)
    if versions != kept_versions(workspace):
        write_json_durably(workspace.versions_file, versions)
    return versions


def kept_versions(workspace: Workspace) -> Mapping[str, Any]:
    """Return the content of versions.json; empty if there is none that can be read."""
    try:
        value = json.loads(workspace.versions_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # Everything in the file can be computed again.
        return {}
    return value if isinstance(value, dict) else {}


def _fingerprint(reference: str | None, before: str | None, *, fetch: bool) -> str | None:
    if reference is None:
        return None
    try:
        return model_sha256(resolve_model(reference, fetch=fetch))
    except LoragError:
        return before
