"""A language model and its adapter in the form that OpenVINO GenAI runs, made once and without torch.

The weights go through a GGUF file, which OpenVINO GenAI reads for these architectures. Text is encoded and decoded by
lorag itself, so the form has no tokenizer.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lorag.digests import digest_of
from lorag.integrations.models.cache import home_folder, keep_folder, prune_folders
from lorag.integrations.models.files import model_sha256
from lorag.integrations.models.gguf_file import ARCHITECTURES, ENDS, PARTS, rotary_order
from lorag.integrations.models.merging import merge_tensors
from lorag.integrations.models.openvino_import import import_openvino_genai
from lorag.integrations.models.tensors import read_tensors
from lorag.params import GenerationPrecision
from lorag.releases.adapter_shelf import adapter_sha256

FORM_VERSION = 1
"""Rises when the same model and adapter give another form."""

CACHE_TOKENS = 16_384
"""The tokens, prompts and answers together, whose keys and values are held in memory: what is generated at once."""

_KEPT_ADAPTERS = 12


def unreadable_reason(base: Path) -> str | None:
    """Say why OpenVINO GenAI cannot run the model folder; None if it can."""
    try:
        config = _read_config(base)
    except (OSError, ValueError) as error:
        return f"its config cannot be read ({error})"
    kind = config.get("model_type")
    if kind not in ARCHITECTURES:
        return f"its architecture is {kind}"
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        return "its rotary embedding is scaled"
    if config.get("use_sliding_window"):
        return "its attention has a window"
    if kind == "llama" and (config.get("attention_bias") or config.get("mlp_bias")):
        return "its layers have biases"
    if config.get("hidden_act", "silu") != "silu":
        return f"its activation is {config['hidden_act']}"
    if not (base / "tokenizer.json").is_file():
        return "it has no tokenizer.json"
    return None


def openvino_form_sha256(base: Path, adapter: Path | None, precision: GenerationPrecision) -> str:
    """Return the digest that names the form of a model folder with an adapter merged into it."""
    return _form_sha256(base, adapter_sha256(adapter) if adapter is not None else None, precision)


def adapter_forms(base: Path, sha256s: Iterable[str]) -> list[Path]:
    """Return the folders in which one of these adapters is merged into a model folder, in any precision."""
    parent = home_folder() / "openvino" / "adapters"
    folders = (parent / _form_sha256(base, sha256, each) for sha256 in sha256s for each in GenerationPrecision)
    return [folder for folder in folders if folder.is_dir()]


def _form_sha256(base: Path, merged: str | None, precision: GenerationPrecision) -> str:
    return digest_of([FORM_VERSION, model_sha256(base), merged, precision])


def openvino_form(base: Path, adapter: Path | None, precision: GenerationPrecision) -> Path:
    """Return the folder with the form, which is made the first time (about ten seconds for 135M parameters).

    `exact` keeps float16 weights, `int8` blocks of 32 weights with one scale (Q8_0). The least recently used forms of
    adapters are deleted. Raises IntegrityFailed for an adapter that is damaged or does not fit the model.
    """
    kind = "models" if adapter is None else "adapters"
    folder = home_folder() / "openvino" / kind / openvino_form_sha256(base, adapter, precision)
    kept = keep_folder(folder, lambda target: _build(base, adapter, precision, target))
    if adapter is not None:
        prune_folders(folder.parent, _KEPT_ADAPTERS, keep=kept)
    return kept


def _build(base: Path, adapter: Path | None, precision: GenerationPrecision, target: Path) -> None:
    config = _read_config(base)
    source = target / "model.gguf"
    tensors = _read_tensors(base)
    if adapter is not None:
        tensors = merge_tensors(tensors, adapter)
    _write_gguf(source, config, tensors, precision)
    # Saves its form beside the GGUF file.
    genai = import_openvino_genai()
    genai.ContinuousBatchingPipeline(str(source), genai.SchedulerConfig(), "CPU", {"enable_save_ov_model": True})
    source.unlink()
    for name in ("openvino_tokenizer", "openvino_detokenizer"):
        for suffix in (".xml", ".bin"):
            (target / name).with_suffix(suffix).unlink(missing_ok=True)


def _read_config(base: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((base / "config.json").read_text(encoding="utf-8"))
    return value


def _read_tensors(base: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield names and float32 values of a model folder, one at a time."""
    for path in sorted(base.glob("*.safetensors")):
        yield from read_tensors(path)


def _write_gguf(
    path: Path, config: Mapping[str, Any], tensors: Iterator[tuple[str, np.ndarray]], precision: GenerationPrecision
) -> None:
    from gguf import GGMLQuantizationType, GGUFWriter
    from gguf.quants import quantize

    kind = str(config["model_type"])
    writer = GGUFWriter(str(path), kind)
    heads = int(config["num_attention_heads"])
    key_heads = int(config.get("num_key_value_heads") or heads)
    rope = config.get("rope_parameters") or {}
    writer.add_file_type(7 if precision is GenerationPrecision.INT8 else 1)
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(key_heads)
    writer.add_key_length(int(config.get("head_dim") or config["hidden_size"] // heads))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_rope_freq_base(float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0))
    # A tokenizer is asked for and never used.
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(["<s>", "a", "b", "ab"])
    writer.add_token_types([3, 1, 1, 1])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_pad_token_id(0)
    shared = bool(config.get("tie_word_embeddings"))
    names = {there: here for here, there in PARTS.items()}
    ends = {there: here for here, there in ENDS.items()}
    for name, values in tensors:
        stem, _, suffix = name.rpartition(".")
        if stem in ends:
            if stem == "lm_head" and shared:
                continue
            own = f"{ends[stem]}.{suffix}"
        else:
            number, _, part = stem.removeprefix("model.layers.").partition(".")
            own = f"blk.{number}.{names[part]}.{suffix}"
            if kind == "llama" and part in ("self_attn.q_proj", "self_attn.k_proj"):
                values = rotary_order(values, heads if part == "self_attn.q_proj" else key_heads)
        if values.ndim == 1:
            writer.add_tensor(own, np.ascontiguousarray(values, np.float32))
        elif precision is GenerationPrecision.INT8:
            block = GGMLQuantizationType.Q8_0
            writer.add_tensor(own, quantize(np.ascontiguousarray(values, np.float32), block), raw_dtype=block)
        else:
            writer.add_tensor(own, values.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
