"""Embeddings by sentence-transformers on torch: for GPUs, and wherever OpenVINO does not run."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lorag.errors import ParamsError, StoreFailed
from lorag.integrations.models.embedder_tokenizer import load_token_counter
from lorag.integrations.models.files import quieten_transformers
from lorag.integrations.models.sentence_model import SentenceModel, pad_batch


class TorchEmbedder:
    """An Embedder; see `lorag.retrieval.embed`."""

    def __init__(self, model: SentenceModel, *, device: str, bf16: bool, threads: int) -> None:
        import torch

        if threads:
            torch.set_num_threads(threads)
        stamp = model.stamp
        self.fingerprint, self.dimension = stamp.fingerprint, stamp.dimension
        self.backend = f"torch {device} {'bf16' if bf16 else 'fp32'}"
        self._tokenizer = load_token_counter(model.folder)
        self.max_tokens = model.max_tokens
        self._device = device
        self._network = load_network(model.folder, device, bf16=bf16)
        # Two batches at once would need twice the memory and be no faster.
        self._computing = threading.Lock()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, special tokens included."""
        return self._tokenizer.count_many(texts)

    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors [n, dimension] of unit length."""
        import torch

        if not texts:
            return np.empty((0, self.dimension), np.float32)
        ids, mask = pad_batch(texts, self._tokenizer, self.max_tokens)
        features = {
            "input_ids": torch.from_numpy(ids).to(self._device),
            "attention_mask": torch.from_numpy(mask).to(self._device),
        }
        try:
            with self._computing, torch.inference_mode():
                vectors = self._network(features)["sentence_embedding"].float()
                unit: NDArray[np.float32] = torch.nn.functional.normalize(vectors, dim=1).cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise StoreFailed(
                "the accelerator's memory is full", where=self.backend, do="lower embedding.batch_tokens"
            ) from error
        return unit


def load_network(folder: Path, device: str, *, bf16: bool) -> Any:
    """Return the SentenceTransformer in evaluation mode, from safetensors and without any of the model's own code."""
    import torch
    from sentence_transformers import SentenceTransformer

    quieten_transformers()
    try:
        return SentenceTransformer(
            str(folder),
            device=device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True, "dtype": torch.bfloat16 if bf16 else torch.float32},
        ).eval()
    except (OSError, ValueError, KeyError) as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ParamsError(f"cannot load the embedder: {message}", where=str(folder), do="name another model") from error
