"""The model that MLflow runs for a registered adapter: `mlflow models predict -m models:/NAME@champion`.

MLflow copies this file beside the adapter and runs it as it is, so nothing is pickled. The environment needs lorag; the
base model comes from lorag's cache and must be the one that the adapter was trained on. Questions are answered from
memory, without retrieval; use `lorag ask` to answer with it.
"""

import json
from pathlib import Path
from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from lorag.answering.prompts import closed_book_messages
from lorag.errors import IntegrityFailed
from lorag.params import GenerationParams
from lorag.strategies import AdapterKind


class AdapterModel(PythonModel):
    """The base model with the adapter on top; a list of questions in, a list of answers out."""

    def load_context(self, context: Any) -> None:
        """Load both models; raises IntegrityFailed if the base model is not the one of the training."""
        # MLflow also runs this file when it packages an adapter, which needs no model.
        from lorag.integrations.models.files import base_model_sha256
        from lorag.integrations.models.generators import open_generator

        settings = json.loads(Path(context.artifacts["settings"]).read_text(encoding="utf-8"))
        self._kind = AdapterKind(settings["adapter"])
        self._params = GenerationParams(**settings["generation"])
        found = base_model_sha256(self._params.model)
        if found != settings["base_model_sha256"]:
            raise IntegrityFailed(
                f"the base model is {found[:12]}, the adapter was trained on {settings['base_model_sha256'][:12]}",
                where=self._params.model,
                do="install the base model of the training",
            )
        self._generator = open_generator(self._params, {}, Path(context.artifacts["adapter"]))

    def predict(self, model_input: list[str]) -> list[str]:  # type: ignore[override]  # MLflow reads the types
        """Answer every question, in order."""
        prompts = [closed_book_messages(question, self._kind.strategy) for question in model_input]
        written = self._generator.generate_batch(prompts, max_new_tokens=self._params.max_new_tokens)
        return [generation.text.strip() for generation in written]


set_model(AdapterModel())
