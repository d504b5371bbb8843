"""Embeddings by OpenVINO, the fastest on a CPU; the converted model is kept for all workspaces of the user."""

import logging
import math
import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lorag.digests import digest_of
from lorag.errors import StoreFailed
from lorag.integrations.machine.hardware import count_usable_cores
from lorag.integrations.models.bert_graph import build_bert, is_plain_bert
from lorag.integrations.models.cache import home_folder, keep_folder
from lorag.integrations.models.embedder_tokenizer import load_token_counter
from lorag.integrations.models.openvino_import import import_openvino
from lorag.integrations.models.sentence_model import SentenceModel, pad_rows, refuse_long

_LOG = logging.getLogger(__name__)
_GRAPH = "model.xml"
_GRAPH_VERSION = 2
"""Raise it with every change of `_convert`, so that no graph of an earlier version is used."""

_TEXTS_A_REQUEST = 8
"""Measured with one stream for each of two cores: 8 texts take 0.69 s, 1 takes 0.80 s and 32 take 0.75 s."""

_TOKENS_A_BLOCK = 16
"""Padded to whole blocks of this many tokens, a text has the same vector in any batch, to the last bit.

Measured on AVX512-BF16, where blocks of 8 are not enough.
"""


class OpenVinoEmbedder:
    """An Embedder; see `lorag.retrieval.embed`. Several threads may use it.

    Each core computes a request of its own, a few texts at a time. That is faster than all cores on one request, and
    pads less. OpenVINO's own queue of requests hangs when several threads use it, so threads of this class do the
    waiting.
    """

    def __init__(self, model: SentenceModel, *, bf16: bool, threads: int) -> None:
        openvino = import_openvino()
        stamp = model.stamp
        self.fingerprint, self.dimension = stamp.fingerprint, stamp.dimension
        self.backend = f"openvino {'bf16' if bf16 else 'fp32'}"
        self._tokenizer = load_token_counter(model.folder)
        self.max_tokens = model.max_tokens
        self._streams = threads or count_usable_cores()
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
            "NUM_STREAMS": self._streams,
            "INFERENCE_NUM_THREADS": self._streams,
        }
        graph = convert_embedder(model) / _GRAPH
        try:
            self._compiled = openvino.Core().compile_model(graph, "CPU", settings)
        except RuntimeError as error:
            message = str(error).splitlines()[0]
            raise StoreFailed(
                f"OpenVINO cannot load the embedder: {message}", where=str(graph), do="set embedding.backend: torch"
            ) from error
        self._pool = ThreadPoolExecutor(self._streams, "embed")
        self._own = threading.local()
        # OpenVINO sets itself up in its first request, and two threads that do so at once may wait for each other
        # forever: seen once, in a process that embedded its first two batches together.
        self._infer(self._tokenizer.ids_many(["a"]))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, special tokens included."""
        return self._tokenizer.count_many(texts)

    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors [n, dimension] of unit length."""
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        rows = self._tokenizer.ids_many(texts)
        refuse_long(texts, rows, self.max_tokens)
        # Texts of similar length share a request, so that little of it is padding.
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
        parts = [order[start:end] for start, end in split_evenly(len(order), self._streams, _TEXTS_A_REQUEST)]
        vectors = np.empty((len(rows), self.dimension), np.float32)
        computed = self._pool.map(lambda part: self._infer([rows[i] for i in part]), parts)
        for part, found in zip(parts, computed, strict=True):
            vectors[part] = found
        # In bf16 the graph's own normalisation leaves lengths that are off in the third digit.
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def _infer(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        # A request for each thread: two threads must not use the same one.
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        whole_blocks = math.ceil(max(map(len, rows)) / _TOKENS_A_BLOCK) * _TOKENS_A_BLOCK
        # Beyond max_tokens the model may have no positions.
        ids, mask = pad_rows(rows, min(whole_blocks, self.max_tokens))
        self._own.request.infer({"input_ids": ids, "attention_mask": mask}, share_inputs=True)
        return np.array(self._own.request.get_output_tensor(0).data, np.float32)


def split_evenly(count: int, streams: int, most: int) -> list[tuple[int, int]]:
    """Return bounds of slices of at most `most`, equal to within one; their number keeps all streams equally busy."""
    parts = min(count, streams * math.ceil(count / (streams * most)))
    edges = [count * part // parts for part in range(parts + 1)] if parts else []
    return list(pairwise(edges))


def convert_embedder(model: SentenceModel) -> Path:
    """Return the folder with the model as a float32 OpenVINO graph, converted once."""
    name = digest_of(["openvino", _GRAPH_VERSION, model.sha256])
    return keep_folder(home_folder() / "embedders" / name, lambda target: _convert(model.folder, target))


def _convert(source: Path, target: Path) -> None:
    _LOG.info("converting the embedder %s for OpenVINO", source)
    openvino = import_openvino()
    graph = build_bert(openvino, source) if is_plain_bert(source) else _trace(openvino, source)
    openvino.save_model(graph, target / _GRAPH, compress_to_fp16=False)


def _trace(openvino: Any, source: Path) -> Any:
    """Return the graph of a model of any architecture, traced in torch."""
    # Imported here: they take seconds, and are needed only the first time.
    import torch

    from lorag.integrations.models.embedder_torch import load_network

    class Pooled(torch.nn.Module):
        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            pooled: torch.Tensor = self.network(features)["sentence_embedding"]
            return torch.nn.functional.normalize(pooled, dim=1)

    # A mask with a zero in it, so that tracing does not remove the masking as superfluous.
    ids = torch.ones((2, 16), dtype=torch.int64)
    mask = torch.ones_like(ids)
    mask[1, 8:] = 0
    any_shape = openvino.PartialShape([-1, -1])
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return openvino.convert_model(
            Pooled(load_network(source, "cpu", bf16=False)),
            example_input={"input_ids": ids, "attention_mask": mask},
            input=[("input_ids", any_shape, openvino.Type.i64), ("attention_mask", any_shape, openvino.Type.i64)],
        )
