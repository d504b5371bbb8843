"""The slow imports of a refresh, done while it waits for Prefect's server to start."""

import gc
import importlib
import logging
import os
import threading
from collections.abc import Callable
from functools import partial

from lorag.integrations.lancedb.files import import_lancedb
from lorag.integrations.mlflow.tracking import set_up_mlflow
from lorag.integrations.prefect.own_server import OWN_API
from lorag.integrations.prefect.server import server_api

_LOG = logging.getLogger(__name__)
FORKABLE = (
    "dvc.repo.reproduce",
    # DVC imports these when it first looks into a repository.
    "dvc.repo.index",
    "dvc.repo.stage",
    "dvc.data_cloud",
    "dvc.scm",
    "dulwich.repo",
    "dulwich.client",
    "dulwich.worktree",
    "dvc.cachemgr",
    "dvc.lock",
    "dvc.repo.artifacts",
    "dvc.repo.datasets",
    "dvc.repo.graph",
    "dvc.repo.plots",
    "dvc.repo.trie",
    "dvc.utils.strictyaml",
    "dvc_data.hashfile.status",
    "networkx",
    "pyparsing",
    "mlflow",
    "mlflow.store.tracking.sqlalchemy_store",
    "alembic.command",
)
"""The modules after whose import a process may still be forked: they start no thread."""


def import_ahead() -> threading.Thread:
    """Import DVC, MLflow and LanceDB in a thread of its own, and return the thread.

    Together they take seconds of one core, and the server takes longer in its own process. If Prefect itself has to
    start one, it imports its server before. That import is done first, because two threads that import are no faster
    than one. A failed import is reported where the module is used.
    """
    set_up_mlflow()
    if server_api() is None and OWN_API not in os.environ:
        importlib.import_module("prefect.server.api.server")
    thread = threading.Thread(target=_import_all, name="import-ahead", daemon=True)
    thread.start()
    return thread


def _import_all() -> None:
    # Almost nothing of what an import creates is garbage, and looking for it takes a fifth of the time.
    gc.disable()
    imports: list[Callable[[], object]] = [partial(importlib.import_module, name) for name in FORKABLE]
    for load in (*imports, import_lancedb):
        try:
            load()
        except ImportError as error:
            _LOG.debug("not imported ahead: %s", error)
    gc.enable()
