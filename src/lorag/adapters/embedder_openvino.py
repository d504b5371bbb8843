"""Embeddings by OpenVINO, the quickest on a processor; the converted model is kept for all workspaces of the user."""

import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lorag.adapters.embedder_tokenizer import load_token_counter
from lorag.adapters.model_cache import home_folder, keep_folder, verify_folder
from lorag.adapters.sentence_model import SentenceModel, pad_batch
from lorag.digests import digest_of
from lorag.errors import StoreFailed

_LOG = logging.getLogger(__name__)
_GRAPH = "model.xml"
_GRAPH_VERSION = 1
"""Raise it with every change of `_convert`, so that no graph of an earlier one is used."""


class OpenVinoEmbedder:
    """An Embedder; see `lorag.retrieval.embed`. May be used by several threads."""

    def __init__(self, model: SentenceModel, *, bf16: bool, threads: int) -> None:
        openvino = import_openvino()
        stamp = model.stamp
        self.fingerprint, self.dimension = stamp.fingerprint, stamp.dimension
        self.backend = f"openvino {'bf16' if bf16 else 'fp32'}"
        self._tokenizer = load_token_counter(model.folder)
        self._max_tokens = model.max_tokens
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32", "NUM_STREAMS": 1}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        graph = convert_embedder(model) / _GRAPH
        try:
            self._compiled = openvino.Core().compile_model(graph, "CPU", settings)
        except RuntimeError as error:
            message = str(error).splitlines()[0]
            raise StoreFailed(
                f"OpenVINO cannot load the embedder: {message}", where=str(graph), do="set embedding.backend: torch"
            ) from error

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included."""
        return self._tokenizer.count_many(texts)

    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [n, dimension] of unit length."""
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        ids, mask = pad_batch(texts, self._tokenizer, self._max_tokens)
        # A request of its own for each call: one request must not be used by two threads.
        request = self._compiled.create_infer_request()
        request.infer({"input_ids": ids, "attention_mask": mask}, share_inputs=True)
        vectors = np.array(request.get_output_tensor(0).data, np.float32)
        # In bf16 the graph's own normalisation leaves lengths that are off in the third digit.
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


def import_openvino() -> Any:
    """The openvino module, without its telemetry.

    Importing it would report to its maker and write to the user's home. Without the telemetry package it falls back
    to a stub that does neither.
    """
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def convert_embedder(model: SentenceModel) -> Path:
    """The folder with the model as an OpenVINO graph in float32, converted the first time; every byte is verified."""
    name = digest_of(["openvino", _GRAPH_VERSION, model.sha256])
    folder = keep_folder(home_folder() / "embedders" / name, lambda target: _convert(model.folder, target))
    verify_folder(folder)
    return folder


def _convert(source: Path, target: Path) -> None:
    # Needed the first time only: they take seconds to import.
    import torch

    from lorag.adapters.embedder_torch import load_network

    class Pooled(torch.nn.Module):
        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            pooled: torch.Tensor = self.network(features)["sentence_embedding"]
            return torch.nn.functional.normalize(pooled, dim=1)

    _LOG.info("converting the embedder %s for OpenVINO", source)
    openvino = import_openvino()
    # A mask with a zero in it, so that tracing cannot take masking for superfluous.
    ids = torch.ones((2, 16), dtype=torch.int64)
    mask = torch.ones_like(ids)
    mask[1, 8:] = 0
    any_shape = openvino.PartialShape([-1, -1])
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        graph = openvino.convert_model(
            Pooled(load_network(source, "cpu", bf16=False)),
            example_input={"input_ids": ids, "attention_mask": mask},
            input=[("input_ids", any_shape, openvino.Type.i64), ("attention_mask", any_shape, openvino.Type.i64)],
        )
    openvino.save_model(graph, target / _GRAPH, compress_to_fp16=False)
