"""A causal language model with a LoRA adapter, and the adapter as a separate folder."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from bitsandbytes.nn.modules import Linear4bit
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from lorag.errors import IntegrityFailed, ParamsError, WorkspaceError
from lorag.integrations.lora.fused import fuse_lora
from lorag.integrations.models.files import quieten_transformers
from lorag.params import LoraMethod, TrainingParams
from lorag.releases.adapter_shelf import CONFIG, WEIGHTS


def load_trainable(
    base: Path,
    params: TrainingParams,
    device: torch.device,
    *,
    bf16: bool,
    start: Path | None = None,
    sharded: bool = False,
) -> Any:
    """Return the frozen base model with an adapter in fp32 that is new or continues the one in the folder `start`.

    A new adapter's weights depend only on the seed. With `sharded`, each of the joined processes holds its part of the
    base; see `_shard_base`. Raises ParamsError if the adapter does not fit the model or the params, WorkspaceError if
    the model cannot be loaded.
    """
    if sharded and params.method is LoraMethod.QLORA:
        raise ParamsError(
            "a base model in 4 bits cannot be sharded",
            where="compute.shard_base",
            do="set it to false, or method: lora",
        )
    quieten_transformers()
    dtype = torch.bfloat16 if bf16 else torch.float32
    options: dict[str, Any] = {}
    if params.method is LoraMethod.QLORA:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
        options["device_map"] = {"": device}
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            str(base), dtype=dtype, use_safetensors=True, local_files_only=True, trust_remote_code=False, **options
        )
    except (OSError, ValueError) as error:
        raise WorkspaceError(
            f"cannot load the language model: {error}", where="generation.model", do="name a folder with safetensors"
        ) from error
    # A base that is to be sharded may not fit the device as a whole.
    model = model if sharded else model.to(device)
    torch.manual_seed(params.seed)
    try:
        model = get_peft_model(model, _lora_config(params), autocast_adapter_dtype=True)
    except ValueError as error:
        raise ParamsError(
            f"no adapter fits this model: {str(error).splitlines()[0][:200]}",
            where="training.target_modules",
            do="name linear layers of the model, or all-linear",
        ) from error
    for module in model.modules():
        if isinstance(module, Linear4bit):
            # Otherwise bitsandbytes repacks the weights at the first validation, which changes them for training.
            module.support_avx512bf16_for_cpu = False
        if isinstance(module, LoraLayer):
            # Autocast casts the adapter's weights to the type of the input; peft would cast the input instead.
            module.cast_input_dtype_enabled = False
            fuse_lora(module)
    if start is not None:
        load_adapter_weights(model, start)
    if params.gradient_checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if sharded:
        _shard_base(model, device)
    return model


def load_adapter_weights(model: Any, folder: Path) -> None:
    """Load the weights of an adapter's folder into the model, so that the model answers as it did with that adapter.

    If the model has another alpha or scales by another method, the weights are scaled to compensate. Raises
    IntegrityFailed if they cannot be read, and ParamsError if shapes differ.
    """
    try:
        found = load_file(folder / WEIGHTS)
        scale = _scale_of(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise IntegrityFailed(
            f"cannot read the adapter: {error}", where=str(folder), do="run `lorag doctor`"
        ) from error
    own = get_peft_model_state_dict(model)
    if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in found.items()}:
        raise ParamsError(
            "the adapter to continue from has another rank, method or target modules",
            where="training.start",
            do="set training.start to scratch, or restore the other values",
        )
    # The adapter adds scale * B A to a layer, and DoRA normalises by the same product.
    factor = scale / _scale_of(model.peft_config["default"].to_dict())
    set_peft_model_state_dict(model, {k: v * factor if ".lora_B." in k else v for k, v in found.items()})


def _scale_of(config: Mapping[str, Any]) -> float:
    rank = float(config["r"])
    return float(config["lora_alpha"]) / (math.sqrt(rank) if config["use_rslora"] else rank)


def save_adapter(model: Any, folder: Path, base_reference: str) -> None:
    """Write the weights in fp32 and a config that names the base as params do, not by a local path."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().float().cpu().contiguous() for name, tensor in adapter_state(model).items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    config = model.peft_config["default"].to_dict()
    config |= {"base_model_name_or_path": base_reference, "inference_mode": True}
    plain = {name: sorted(value) if isinstance(value, set) else value for name, value in config.items()}
    (folder / CONFIG).write_text(json.dumps(plain, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8")


def adapter_state(model: Any) -> dict[str, torch.Tensor]:
    """Return the adapter's weights by name, sorted by name."""
    return dict(sorted(get_peft_model_state_dict(model).items()))


def _shard_base(model: Any, device: torch.device) -> None:
    """Split the frozen weights over the processes, layer by layer (FSDP2); each process keeps the whole adapter.

    A layer is gathered before it computes and released after it, so a device holds its part and one layer. All
    processes must run the model equally often.
    """
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    adapter = {weight for weight in model.parameters() if weight.requires_grad}
    layer_names = set(model.get_base_model()._no_split_modules or ())
    layers = [module for module in model.modules() if type(module).__name__ in layer_names]
    for module in (*layers, model):
        fully_shard(module, mesh=mesh, ignored_params=adapter)
    for weight in adapter:
        weight.data = weight.data.to(device)


def _lora_config(params: TrainingParams) -> LoraConfig:
    targets = params.target_modules
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=params.rank,
        lora_alpha=params.alpha,
        lora_dropout=params.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        use_dora=params.method is LoraMethod.DORA,
        use_rslora=params.method is LoraMethod.RSLORA,
        bias="none",
    )
