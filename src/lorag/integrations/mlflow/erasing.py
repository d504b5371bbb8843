"""Traces, adapters and files of MLflow that hold a forgotten document; runs keep their figures, settings and tags."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from lorag.integrations.erasing import erase_below
from lorag.integrations.mlflow.registry import MODEL_TAG, SHA256_TAG
from lorag.integrations.mlflow.tracking import TrackingLocation, connect, failures_mapped
from lorag.knowledge.remains import Remains
from lorag.releases.adapter_shelf import WEIGHTS, adapter_sha256

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PAGE = 100
_SQLITE = "sqlite:///"

Taught = Callable[[Mapping[str, str]], bool]
"""Whether an adapter with this lineage may have learned from a forgotten document."""


def erase_traces(location: TrackingLocation, remains: Remains, *, dry: bool) -> int:
    """Delete the traces that hold the document; return how many do. Raises StoreFailed."""
    n_found = 0
    with failures_mapped(location):
        client = connect(location)
        for experiment in client.search_experiments():
            found = [
                trace.info.trace_id
                for trace in _traces(client, experiment.experiment_id)
                if remains.are_in(json.dumps(trace.to_dict(), default=str, ensure_ascii=False))
            ]
            for start in range(0, 0 if dry else len(found), _PAGE):
                client.delete_traces(experiment.experiment_id, trace_ids=found[start : start + _PAGE])
            n_found += len(found)
    return n_found


def erase_versions(location: TrackingLocation, sha256s: frozenset[str], *, dry: bool) -> int:
    """Delete the registered versions of these adapters; return how many there are. Raises StoreFailed."""
    with failures_mapped(location):
        client = connect(location)
        found = [one for one in client.search_model_versions() if one.tags.get(SHA256_TAG) in sha256s]
        for version in [] if dry else found:
            client.delete_model_version(version.name, version.version)
            if model_id := version.tags.get(MODEL_TAG):
                client.delete_logged_model(model_id)
    return len(found)


def erase_adapters(artifacts: Path, taught: Taught, *, dry: bool) -> tuple[int, frozenset[str]]:
    """Delete the packaged adapters in a folder of artifacts that may have learned from the document.

    Returns how many there are, with their sha256.
    """
    found: set[str] = set()
    folders = [path.parent for path in artifacts.rglob(WEIGHTS) if taught(_lineage(path.parent))]
    for folder in folders:
        found.add(adapter_sha256(folder))
        if not dry:
            shutil.rmtree(folder, ignore_errors=True)
    return len(folders), frozenset(found)


def erase_files(location: TrackingLocation, remains: Remains, *, dry: bool) -> int:
    """Remove files of runs and values in the database that hold the document; return how many do.

    Only of a tracking store on this machine; of another one nothing is found.
    """
    found = 0
    if (artifacts := local_artifacts(location)) is not None:
        found += erase_below(artifacts, remains, dry=dry)
    if location.uri.startswith(_SQLITE) and (database := Path(location.uri.removeprefix(_SQLITE))).is_file():
        found += erase_below(database.resolve(), remains, dry=dry)
    return found


def local_artifacts(location: TrackingLocation) -> Path | None:
    """Return the folder of artifacts; None if it is not known to be on this machine."""
    root = location.artifact_root
    return Path(unquote(urlsplit(root).path)) if root is not None and urlsplit(root).scheme in ("", "file") else None


def _traces(client: "MlflowClient", experiment_id: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_traces(locations=[experiment_id], max_results=_PAGE, page_token=token)
        yield from page
        if not (token := page.token):
            return


def _lineage(folder: Path) -> Mapping[str, str]:
    try:
        documents: Mapping[str, str] = json.loads((folder / "lineage.json").read_text(encoding="utf-8"))["documents"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return documents
