"""A BERT sentence encoder as an OpenVINO graph, built from its safetensors without torch.

The layers follow Devlin et al. 2018, with mean pooling over the tokens that are not masked, as in
sentence-transformers. Other architectures are converted from torch; see embedder_openvino.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

Tensor = Any
"""A node of an OpenVINO graph."""

_POOLING = "1_Pooling"
_KNOWN_MODULES = ["Transformer", "Pooling", "Normalize"]


def is_plain_bert(folder: Path) -> bool:
    """Whether the model is a BERT with absolute positions, exact GELU and mean pooling, which `build_bert` builds."""
    try:
        config, pooling, modules = (
            json.loads((folder / name).read_text(encoding="utf-8"))
            for name in ("config.json", f"{_POOLING}/config.json", "modules.json")
        )
    except (OSError, ValueError):
        return False
    modes = {name for name, on in pooling.items() if name.startswith("pooling_mode_") and on}
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and modes == {"pooling_mode_mean_tokens"}
        and [module["type"].rpartition(".")[2] for module in modules] in (_KNOWN_MODULES, _KNOWN_MODULES[:2])
        and (folder / "model.safetensors").is_file()
    )


def build_bert(openvino: Any, folder: Path) -> Any:
    """Return a graph from `input_ids` and `attention_mask`, both [n, length] int64, to unit vectors [n, hidden].

    Raises KeyError if the weights lack a layer that the config names.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    weights = load_file(folder / "model.safetensors")
    ops = openvino.opset13
    ids = ops.parameter([-1, -1], np.int64, name="input_ids")
    mask = ops.parameter([-1, -1], np.int64, name="attention_mask")
    build = _Bert(
        ops, {name.removeprefix("bert."): value.astype(np.float32) for name, value in weights.items()}, config
    )
    hidden = build.embed(ids)
    bias = build.attention_bias(mask)
    for number in range(config["num_hidden_layers"]):
        hidden = build.layer(hidden, bias, f"encoder.layer.{number}")
    pooled = build.pool(hidden, mask)
    return openvino.Model([ops.result(pooled)], [ids, mask], "bert")


class _Bert:
    def __init__(self, ops: Any, weights: dict[str, NDArray[np.float32]], config: dict[str, Any]) -> None:
        self._ops, self._weights = ops, weights
        self._heads = int(config["num_attention_heads"])
        self._width = int(config["hidden_size"])
        self._epsilon = float(config["layer_norm_eps"])

    def embed(self, ids: Tensor) -> Tensor:
        ops = self._ops
        zero, one = ops.constant(np.int64(0)), ops.constant(np.int64(1))
        length = ops.gather(ops.shape_of(ids), one, zero)
        places = ops.range(zero, length, one, "i64")
        words = ops.gather(self._constant("embeddings.word_embeddings.weight"), ids, zero)
        positions = ops.gather(self._constant("embeddings.position_embeddings.weight"), places, zero)
        kind = ops.constant(self._weights["embeddings.token_type_embeddings.weight"][0])
        return self._normalise(ops.add(ops.add(words, kind), positions), "embeddings.LayerNorm")

    def attention_bias(self, mask: Tensor) -> Tensor:
        """Return 0 for a token that counts and the least float for a masked one, [n, 1, 1, length]."""
        ops = self._ops
        axes = ops.constant(np.array([1, 2], np.int64))
        missing = ops.subtract(ops.constant(np.float32(1)), ops.convert(ops.unsqueeze(mask, axes), np.float32))
        return ops.multiply(missing, ops.constant(np.float32(np.finfo(np.float32).min)))

    def layer(self, hidden: Tensor, bias: Tensor, name: str) -> Tensor:
        ops = self._ops
        query, key, value = (self._split(self._dense(hidden, f"{name}.attention.self.{part}")) for part in _PARTS)
        scale = ops.constant(np.float32(1 / math.sqrt(self._width / self._heads)))
        read = ops.scaled_dot_product_attention(query, key, value, bias, scale)
        attended = self._dense(self._join(read), f"{name}.attention.output.dense")
        hidden = self._normalise(ops.add(attended, hidden), f"{name}.attention.output.LayerNorm")
        wide = ops.gelu(self._dense(hidden, f"{name}.intermediate.dense"), "erf")
        return self._normalise(ops.add(self._dense(wide, f"{name}.output.dense"), hidden), f"{name}.output.LayerNorm")

    def pool(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Return the mean of the tokens that are not masked, at unit length."""
        ops = self._ops
        counts = ops.convert(ops.unsqueeze(mask, ops.constant(np.int64(-1))), np.float32)
        axis = ops.constant(np.array([1], np.int64))
        total = ops.reduce_sum(ops.multiply(hidden, counts), axis, keep_dims=False)
        n = ops.maximum(ops.reduce_sum(counts, axis, keep_dims=False), ops.constant(np.float32(1e-9)))
        mean = ops.divide(total, n)
        norm = ops.reduce_l2(mean, axis, keep_dims=True)
        return ops.divide(mean, ops.maximum(norm, ops.constant(np.float32(1e-12))))

    def _constant(self, name: str) -> Tensor:
        return self._ops.constant(self._weights[name])

    def _dense(self, hidden: Tensor, name: str) -> Tensor:
        ops = self._ops
        product = ops.matmul(hidden, self._constant(f"{name}.weight"), transpose_a=False, transpose_b=True)
        return ops.add(product, self._constant(f"{name}.bias"))

    def _normalise(self, hidden: Tensor, name: str) -> Tensor:
        ops = self._ops
        axis = ops.constant(np.array([-1], np.int64))
        normal = ops.mvn(hidden, axis, True, self._epsilon, "inside_sqrt")
        return ops.add(ops.multiply(normal, self._constant(f"{name}.weight")), self._constant(f"{name}.bias"))

    def _split(self, hidden: Tensor) -> Tensor:
        """Reshape [n, length, width] to [n, heads, length, width of a head]."""
        ops = self._ops
        shape = ops.constant(np.array([0, 0, self._heads, self._width // self._heads], np.int64))
        return ops.transpose(ops.reshape(hidden, shape, special_zero=True), ops.constant(_HEADS_FIRST))

    def _join(self, read: Tensor) -> Tensor:
        ops = self._ops
        shape = ops.constant(np.array([0, 0, self._width], np.int64))
        return ops.reshape(ops.transpose(read, ops.constant(_HEADS_FIRST)), shape, special_zero=True)


_PARTS = ("query", "key", "value")
_HEADS_FIRST = np.array([0, 2, 1, 3], np.int64)
