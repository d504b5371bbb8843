"""The embedder that the params ask for, on the hardware of this machine."""

import os
from pathlib import Path

from lorag.errors import ParamsError
from lorag.integrations.models.cache import verify_folder
from lorag.integrations.models.files import resolve_model
from lorag.integrations.models.sentence_model import SentenceModel, read_sentence_model
from lorag.params import Backend, EmbeddingParams, Precision
from lorag.retrieval.embed import Embedder, EmbedderStamp

_CPUINFO = Path("/proc/cpuinfo")
_GPU_DEVICES = (Path("/dev/nvidia0"), Path("/dev/kfd"))


def open_embedder(params: EmbeddingParams, *, verify: bool = False) -> Embedder:
    """Open an embedder with the backend and the precision that the params name.

    `auto` takes OpenVINO, or torch if there is a GPU or no OpenVINO. It takes bf16 if the hardware computes it, because
    emulated it is several times slower than fp32. With `verify` every byte of a converted model is compared with its
    manifest (0.1 s), so that no vector comes from a damaged one. Raises ParamsError for what this machine cannot do.
    """
    model = read_sentence_model(resolve_model(params.model), params.max_tokens)
    gpu = params.backend is not Backend.OPENVINO and has_gpu()
    if params.backend is Backend.TORCH or gpu or (params.backend is Backend.AUTO and not has_openvino()):
        return _open_torch(model, params, gpu=gpu)
    return _open_openvino(model, params, verify=verify)


def embedder_stamp(params: EmbeddingParams) -> EmbedderStamp:
    """Return fingerprint and dimension of the embedder of these params, without opening it."""
    return read_sentence_model(resolve_model(params.model), params.max_tokens).stamp


def read_processor_flags(cpuinfo: Path = _CPUINFO) -> frozenset[str]:
    """Return the features of the first processor, in the words of /proc/cpuinfo; empty if there is no such file."""
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return next((frozenset(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), frozenset())


def has_gpu() -> bool:
    """Whether torch can use a GPU."""
    # Importing torch takes seconds, so first look whether there is any device at all.
    if not any(device.exists() for device in _GPU_DEVICES):
        return False
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def has_openvino() -> bool:
    """Whether OpenVINO can be imported."""
    from lorag.integrations.models.openvino_import import import_openvino

    try:
        import_openvino()
    except ImportError:
        return False
    return True


def _open_openvino(model: SentenceModel, params: EmbeddingParams, *, verify: bool) -> Embedder:
    from lorag.integrations.models.embedder_openvino import convert_embedder

    if not has_openvino():
        raise ParamsError(
            "OpenVINO cannot be imported", where="embedding.backend", do="install openvino, or set it to auto"
        )
    bf16 = choose_bf16(params.precision, gpu=False, where="embedding.precision")
    if verify:
        verify_folder(convert_embedder(model))
    return _openvino_embedder(model, bf16, params.threads)


_Key = tuple[SentenceModel, bool, int]
_opened: dict[_Key, Embedder] = {}
_opened_by_parents: list[dict[_Key, Embedder]] = []


def _openvino_embedder(model: SentenceModel, bf16: bool, threads: int) -> Embedder:
    """Return one embedder for all who ask for this model: a refresh opens it three times, at half a second each."""
    from lorag.integrations.models.embedder_openvino import OpenVinoEmbedder

    key = (model, bf16, threads)
    if (found := _opened.get(key)) is None:
        found = OpenVinoEmbedder(model, bf16=bf16, threads=threads)
        _opened.clear()
        _opened[key] = found
    return found


def _open_again() -> None:
    """Keep the parent's embedder and do not use it: its threads are not here, and closing it would wait for them."""
    _opened_by_parents.append(dict(_opened))
    _opened.clear()


os.register_at_fork(after_in_child=_open_again)


def _open_torch(model: SentenceModel, params: EmbeddingParams, *, gpu: bool) -> Embedder:
    from lorag.integrations.models.embedder_torch import TorchEmbedder

    bf16 = choose_bf16(params.precision, gpu=gpu, where="embedding.precision")
    return TorchEmbedder(model, device="cuda" if gpu else "cpu", bf16=bf16, threads=params.threads)


def choose_bf16(precision: Precision, *, gpu: bool, where: str) -> bool:
    """Whether to compute in bf16: only if the hardware does, because emulated it is several times slower than fp32.

    `where` names the setting in the ParamsError for a machine that cannot do what it asks.
    """
    if gpu:
        import torch

        hardware = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Read from the processor, because OpenVINO's own list may name bf16 where it is only emulated.
        hardware = bool(read_processor_flags() & {"avx512_bf16", "amx_bf16"})
    if precision is Precision.BF16 and not hardware:
        raise ParamsError("this machine has no bf16 arithmetic", where=where, do="set it to auto or fp32")
    return hardware and precision is not Precision.FP32
