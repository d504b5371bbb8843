"""The training of an adapter: a function of the pairs, the params, the base model and the starting adapter."""

import json
import shutil
import time
from pathlib import Path

from lorag.digests import digest_of
from lorag.integrations.lora import LOOP_VERSION
from lorag.integrations.lora.model import save_adapter
from lorag.integrations.lora.training import TrainingJob, encode_pairs, is_main_process, train_lora
from lorag.integrations.models.files import base_model_sha256, convert_base_model
from lorag.integrations.models.model_text import ModelText
from lorag.params import Params
from lorag.progress import show_progress
from lorag.strategies import AdapterKind
from lorag.tuning.pairs import read_pairs, training_set_digest
from lorag.use_cases.asking.unlogged_costs import Trained
from lorag.use_cases.retrain.starting_adapter import RECORD, read_start
from lorag.workspace import Workspace

NOTE_S = 2


def train_adapter(adapter: AdapterKind, workspace: Workspace, params: Params) -> None:
    """Write the adapter's folder: weights, config, and training.json.

    A killed run continues from its last checkpoint and gives the same adapter. Raises InputRejected for a pair over
    the limit and GateRefused if the loss is no longer a number; the folder then holds no adapter.
    """
    folder = workspace.training_folder(adapter)
    if is_main_process() and workspace.adapter_folder(adapter).exists():
        shutil.rmtree(workspace.adapter_folder(adapter))
    train, validation = read_pairs(folder / "train.jsonl"), read_pairs(folder / "validation.jsonl")
    base = convert_base_model(params.generation.model)
    base_sha256 = base_model_sha256(params.generation.model)
    start = read_start(workspace.start_folder(adapter), base_sha256)
    settings = params.training[adapter]
    if start is not None:
        settings = settings.when_continuing()
    text = ModelText.load(base)
    limit = params.training_set.max_pair_tokens
    set_digest = training_set_digest(train)
    decisive = [LOOP_VERSION, [pair.id for pair in train], training_set_digest(validation), base_sha256, start]
    checkpoint = workspace.state / "training" / f"{adapter.value}.safetensors"
    job = TrainingJob(
        base=base,
        train=encode_pairs(train, text, limit),
        validation=encode_pairs(validation, text, limit),
        params=settings,
        start=workspace.start_folder(adapter) if start else None,
        checkpoint=checkpoint,
        digest=digest_of([*decisive, settings.model_dump(mode="json")]),
        sharded=params.compute.shard_base,
    )
    total = settings.epochs * sum(len(pair.ids) for pair in job.train)
    receipt = _Receipt(workspace.trained_file(adapter), start)
    with show_progress(f"Training {adapter.value}, tokens", total) as advance:

        def read(n_tokens: int) -> None:
            advance(n_tokens)
            receipt.add(n_tokens)

        def resume(n_tokens: int) -> None:
            advance(n_tokens)
            receipt.before = n_tokens

        model, report = train_lora(job, read, on_resume=resume)
    if not is_main_process():
        return
    receipt.end(report.tokens)
    save_adapter(model, workspace.adapter_folder(adapter), workspace.name_of(params.generation.model))
    record = {
        **report.to_json(),
        "base_model_sha256": base_sha256,
        "training_set_digest": set_digest,
        "start": start,
        "method": settings.method.value,
    }
    (workspace.adapter_folder(adapter) / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    checkpoint.unlink(missing_ok=True)


class _Receipt:
    """A running record of what this process trained: the adapter cannot show whether it was trained or restored."""

    def __init__(self, path: Path, start: str | None) -> None:
        self._path, self._start = path, start
        self._tokens, self._noted_s = 0, time.monotonic()
        self.before = 0

    def add(self, n_tokens: int) -> None:
        """Count tokens and write them regularly, because the process may be killed before it ends."""
        self._tokens += n_tokens
        if time.monotonic() - self._noted_s >= NOTE_S and is_main_process():
            Trained(self._tokens, self._start).write(self._path)
            self._noted_s = time.monotonic()

    def end(self, n_tokens: int) -> None:
        """Write the tokens of the whole training, minus those of earlier processes."""
        Trained(n_tokens - self.before, self._start).write(self._path)
