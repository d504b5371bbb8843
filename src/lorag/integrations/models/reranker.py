"""A cross-encoder by sentence-transformers."""

import threading
from collections.abc import Sequence
from typing import Any

from lorag.errors import ParamsError
from lorag.integrations.models.files import resolve_model
from lorag.retrieval.rerank import Reranker


class CrossEncoderReranker:
    """A reranker that scores pairs with one model; threads may share it, and take turns."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._lock = threading.Lock()

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return the model's score of each pair, higher is better; pairs longer than the model reads are cut."""
        if not texts:
            return []
        with self._lock:
            scores = self._model.predict([(question, text) for text in texts], show_progress_bar=False)
        return [float(score) for score in scores]


def open_reranker(reference: str) -> Reranker:
    """Open the cross-encoder at `reference`, from safetensors."""
    # Imported here: it takes seconds, and most workspaces use no reranker.
    from sentence_transformers import CrossEncoder

    folder = resolve_model(reference)
    try:
        model = CrossEncoder(
            str(folder),
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError) as error:
        raise ParamsError(
            f"cannot load the reranker: {error}", where="search.reranker", do="name a cross-encoder with safetensors"
        ) from error
    if model.config.num_labels != 1:
        raise ParamsError(
            f"the reranker {reference!r} gives {model.config.num_labels} scores for a pair",
            where="search.reranker",
            do="name a cross-encoder with one",
        )
    return CrossEncoderReranker(model)
