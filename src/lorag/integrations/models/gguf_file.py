"""The conversion of a GGUF file into a folder with safetensors weights, tokenizer and chat template, without torch."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

ARCHITECTURES = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}
"""The GGUF architectures that this module reads, with the name that transformers gives them."""

PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""The parts of a block: their names in GGUF and in transformers."""

ENDS = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
"""The tensors outside the blocks, in the same two forms."""

_BLOCK = re.compile(r"blk\.(\d+)\.(\w+)\.(weight|bias)")
_CONTROL, _USER_DEFINED = 3, 4
_LONG_LISTS = {f"tokenizer.ggml.{name}" for name in ("tokens", "scores", "merges", "token_type")}

# The splits before byte-pair encoding, by the name that a GGUF file gives them. transformers reads the files of SmolLM2
# with GPT-2's split, and the adapters were trained with it.
_QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITS = {
    "default": None,
    "gpt-2": None,
    "smollm": None,
    "qwen2": _QWEN2_SPLIT,
    "llama-bpe": _QWEN2_SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|"),
}


class UnreadableGguf(Exception):
    """A GGUF file that this module does not read; the message says why."""


def convert_gguf_file(path: Path, folder: Path, tell: Callable[[str], None]) -> None:
    """Write weights (float32), config, tokenizer and chat template of a GGUF file into `folder`.

    Raises UnreadableGguf for another architecture or tokenizer, and any exception of the reader for a malformed file.
    """
    from gguf import GGUFReader

    tell(f"Reading {path.name}")
    reader = GGUFReader(str(path))
    fields = {name: field.contents() for name, field in reader.fields.items()}
    architecture = str(fields["general.architecture"])
    _check_readable(fields, reader)
    tokenizer = _tokenizer_of(fields)
    config = _config_of(architecture, fields)
    tensors = _read_tensors(reader, architecture, config)
    config["tie_word_embeddings"] = "lm_head.weight" not in tensors
    tell("Writing safetensors")
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))
    tokens = fields["tokenizer.ggml.tokens"]
    special = {
        f"{name}_token": tokens[fields[f"tokenizer.ggml.{key}_token_id"]]
        for name, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"), ("unk", "unknown"))
        if f"tokenizer.ggml.{key}_token_id" in fields
    }
    _write(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **special})
    _write(folder / "config.json", config)
    stops = [fields.get("tokenizer.ggml.eos_token_id"), fields.get("tokenizer.ggml.eot_token_id")]
    ends = sorted({stop for stop in stops if stop is not None})
    _write(folder / "generation_config.json", {"bos_token_id": config["bos_token_id"], "eos_token_id": ends})
    if template := fields.get("tokenizer.chat_template"):
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")


def unreadable_gguf_reason(reader: Any) -> str | None:
    """Say why `convert_gguf_file` does not read this file of an open GGUFReader; None if it does."""
    try:
        small = {name: field for name, field in reader.fields.items() if name not in _LONG_LISTS}
        _check_readable({name: field.contents() for name, field in small.items()}, reader)
    except UnreadableGguf as error:
        return str(error)
    return None


def rotary_order(weight: np.ndarray, heads: int) -> np.ndarray:
    """Return the rows of a q or k weight (or bias) as llama.cpp orders them, from the order of transformers.

    llama.cpp puts the two numbers that the rotary embedding turns together side by side; transformers puts them half a
    head apart. Only the architecture `llama` differs. `weight` is [rows, columns] or [rows].
    """
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, 2, half, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def _undo_rotary_order(weight: np.ndarray, heads: int) -> np.ndarray:
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, half, 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def _check_readable(fields: Mapping[str, Any], reader: Any) -> None:
    architecture = fields.get("general.architecture")
    if architecture not in ARCHITECTURES:
        raise UnreadableGguf(f"its architecture is {architecture}")
    scaled = any(".rope.scaling." in name for name in fields)
    if scaled or any(tensor.name == "rope_freqs.weight" for tensor in reader.tensors):
        raise UnreadableGguf("its rotary embedding is scaled")
    kind, split = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre", "default")
    if kind != "gpt2" or split not in _SPLITS:
        raise UnreadableGguf(f"its tokenizer is {kind} {split}")
    for tensor in reader.tensors:
        _name_of(tensor.name)


def _read_tensors(reader: Any, architecture: str, config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    from gguf.quants import dequantize

    tensors: dict[str, np.ndarray] = {}
    for tensor in reader.tensors:
        name = _name_of(tensor.name)
        values = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), np.float32)
        if architecture == "llama" and (".q_proj." in name or ".k_proj." in name):
            heads = config["num_attention_heads" if ".q_proj." in name else "num_key_value_heads"]
            values = np.ascontiguousarray(_undo_rotary_order(values, heads))
        tensors[name] = values
    return tensors


def _name_of(name: str) -> str:
    if block := _BLOCK.fullmatch(name):
        number, part, kind = block.groups()
        if part in PARTS:
            return f"model.layers.{number}.{PARTS[part]}.{kind}"
    stem, _, kind = name.rpartition(".")
    if stem in ENDS and kind == "weight":
        return f"{ENDS[stem]}.{kind}"
    raise UnreadableGguf(f"it has a tensor {name}")


def _config_of(architecture: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    def read(key: str, default: Any = None) -> Any:
        value = fields.get(f"{architecture}.{key}", default)
        if value is None:
            raise UnreadableGguf(f"it does not say {key}")
        return value

    heads, width = read("attention.head_count"), read("embedding_length")
    head_width = fields.get(f"{architecture}.attention.key_length", width // heads)
    theta = float(read("rope.freq_base", 10_000.0))
    return {
        "architectures": [ARCHITECTURES[architecture]],
        "model_type": architecture,
        "attention_bias": False,
        "bos_token_id": fields.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": fields.get("tokenizer.ggml.eos_token_id"),
        "pad_token_id": fields.get("tokenizer.ggml.padding_token_id"),
        "dtype": "float32",
        "head_dim": head_width,
        "hidden_act": "silu",
        "hidden_size": width,
        "intermediate_size": read("feed_forward_length"),
        "max_position_embeddings": read("context_length"),
        "num_attention_heads": heads,
        "num_hidden_layers": read("block_count"),
        "num_key_value_heads": read("attention.head_count_kv", heads),
        "rms_norm_eps": float(read("attention.layer_norm_rms_epsilon")),
        "rope_parameters": {"rope_theta": theta, "rope_type": "default"},
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
    }


def _tokenizer_of(fields: Mapping[str, Any]) -> Tokenizer:
    split = fields.get("tokenizer.ggml.pre", "default")
    tokens = fields["tokenizer.ggml.tokens"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=split == "llama-bpe"))
    pattern = _SPLITS[split]
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
    if pattern is None:
        tokenizer.pre_tokenizer = whole
    else:
        tokenizer.normalizer = normalizers.NFC() if split == "qwen2" else None
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), whole])
    tokenizer.decoder = decoders.ByteLevel()
    kinds = fields.get("tokenizer.ggml.token_type", [])
    added = [
        AddedToken(token, normalized=False, special=of == _CONTROL)
        for token, of in zip(tokens, kinds, strict=False)
        if of in (_CONTROL, _USER_DEFINED)
    ]
    tokenizer.add_tokens(added)
    return tokenizer


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
