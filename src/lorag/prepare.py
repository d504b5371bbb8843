"""The slow set-up that runs once: `python -m lorag.prepare`, which the Makefile calls in the root of a workspace."""

import os
import sys
from pathlib import Path

from lorag.errors import LoragError
from lorag.integrations.mlflow import tracking
from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.models.generators import asks_endpoint, prepare_generator
from lorag.integrations.prefect import own_server
from lorag.params_file import load_params
from lorag.progress import console
from lorag.workspace import find_workspace


def prepare_models(root: Path) -> None:
    """Convert the embedder and the base model for this processor, and make empty databases for Prefect and MLflow.

    All are kept for all workspaces of the user.
    """
    params = load_params(find_workspace(root).params_file)
    with console.status("Preparing the embedder"):
        embedder = open_embedder(params.embedding)
    console.print(f"Embedder: {params.embedding.model}, {embedder.backend}")
    with console.status("Preparing the databases of Prefect and MLflow"):
        own_server.keep_own_database()
        tracking.keep_own_database()
    if asks_endpoint(os.environ):
        return
    with console.status("Converting the base model (about a minute, once)"):
        engine = prepare_generator(params.generation, os.environ)
    console.print(f"Base model: {params.generation.model}, {engine}")


if __name__ == "__main__":
    try:
        prepare_models(Path.cwd())
    except LoragError as error:
        sys.stderr.write(error.line() + "\n")
        sys.exit(error.exit_status)
