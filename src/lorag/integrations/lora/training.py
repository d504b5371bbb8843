"""The training loop of an adapter: loss on the answers only, batches of similar length, exact resumption."""

import math
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import get_scheduler

from lorag.digests import digest_of
from lorag.errors import GateRefused, InputRejected
from lorag.integrations.lora.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from lorag.integrations.lora.model import load_trainable
from lorag.integrations.models.chat_encoding import ChatEncoder
from lorag.integrations.models.embedders import choose_bf16
from lorag.integrations.models.model_text import ModelText
from lorag.params import LearningRateSchedule, TrainingParams
from lorag.retrieval.embed import plan_batches
from lorag.tuning.batches import Step, plan_epoch
from lorag.tuning.pairs import Pair
from lorag.tuning.report import EpochResult, TrainingReport

VALIDATION_TOKENS = 8_192
"""The size of a validation batch: nothing is kept for a backward pass, so it may be larger than a training batch."""

_SCHEDULES = {
    LearningRateSchedule.COSINE: "cosine",
    LearningRateSchedule.LINEAR: "linear",
    LearningRateSchedule.CONSTANT: "constant_with_warmup",
}

Advance = Callable[[int], None]
"""A callback that gets the number of tokens processed since the last call."""

OnEpoch = Callable[[EpochResult], bool]
"""A callback after each epoch; if it returns True, training ends as if this were the last epoch."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """The token ids of a pair. Those from `n_prompt` on are learned; `asked` are the bounds of the user's message."""

    ids: list[int]
    n_prompt: int
    asked: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """A training run. `digest` covers everything that decides its result: a checkpoint of another digest is ignored.

    `sharded` splits the base model over the processes if there are several.
    """

    base: Path
    train: Sequence[Encoded]
    validation: Sequence[Encoded]
    params: TrainingParams
    start: Path | None
    checkpoint: Path | None
    digest: str
    checkpoint_every_steps: int = 100
    sharded: bool = False


def is_main_process() -> bool:
    """Return whether this is the process that writes files; always True for a single process."""
    return int(os.environ.get("RANK", "0")) == 0


def encode_pairs(pairs: Sequence[Pair], text: ModelText, max_tokens: int) -> list[Encoded]:
    """Encode each pair: the prompt by the chat template, the answer as plain text with the token that ends a turn.

    Raises InputRejected if a pair exceeds `max_tokens`: nothing is truncated silently.
    """
    encoder = ChatEncoder(text)
    encoded = []
    for pair in pairs:
        prompt = encoder.encode(pair.messages) if pair.messages else []
        ids = [*prompt, *encoder.encode_content(pair.answer), text.end_id]
        if len(ids) > max_tokens:
            raise InputRejected(
                f"a training pair of {len(ids)} tokens, the limit is {max_tokens}",
                where=f"pair {pair.id[:12]}, from {', '.join(pair.documents) or pair.source}",
                do="shorten it, or raise training_set.max_pair_tokens",
            )
        # A text without a prompt is predicted from its first token on.
        asked = _find(encoder.encode_content(pair.messages[-1].content), prompt) if pair.messages else (0, 0)
        encoded.append(Encoded(ids, max(len(prompt), 1), asked))
    return encoded


def _find(part: Sequence[int], ids: Sequence[int]) -> tuple[int, int]:
    """Return the bounds of the last occurrence of `part` in `ids`; an empty range if there is none."""
    starts = range(len(ids) - len(part), -1, -1)
    start = next((at for at in starts if list(ids[at : at + len(part)]) == list(part)), 0)
    return (start, start + len(part)) if ids[start : start + len(part)] == list(part) else (0, 0)


def drop_asked(pair: Encoded, share: float, chance: random.Random) -> Encoded:
    """Return the pair without some of the user's tokens: each is dropped from the prompt with probability `share`."""
    start, stop = pair.asked
    kept = [token for token in pair.ids[start:stop] if chance.random() >= share]
    n_left_out = stop - start - len(kept)
    ids = [*pair.ids[:start], *kept, *pair.ids[stop:]]
    return Encoded(ids, pair.n_prompt - n_left_out, (start, start + len(kept)))


def train_lora(
    job: TrainingJob,
    advance: Advance = lambda n: None,
    on_epoch: OnEpoch = lambda result: False,
    on_resume: Advance = lambda n: None,
) -> tuple[Any, TrainingReport]:
    """Train; return the model with the adapter's weights of the best epoch, and the report.

    Under `accelerate launch` each process computes its share of every step, and the gradients are summed. The result
    equals that of one process with `world_size` times as many accumulated batches. `on_resume` is called before the
    first step with the tokens that an earlier process read, if its checkpoint is continued. Raises GateRefused if the
    loss or its gradient is not finite.
    """
    run = _Run(job, advance)
    on_resume(run.tokens_before)
    return run.finish(on_epoch)


class _Run:
    """The state of a run between two steps."""

    def __init__(self, job: TrainingJob, advance: Advance) -> None:
        self.job, self.params, self.advance = job, job.params, advance
        if self.params.threads:
            torch.set_num_threads(self.params.threads)
        self.rank, self.world_size, self.device = _join_processes()
        self.bf16 = choose_bf16(self.params.precision, gpu=self.device.type == "cuda", where="training.precision")
        # The number of processes changes the steps, and the arithmetic changes the result.
        self.digest = digest_of([job.digest, self.world_size, self.device.type, self.bf16])
        self.sharded = job.sharded and self.world_size > 1
        self.model = load_trainable(
            job.base, self.params, self.device, bf16=self.bf16, start=job.start, sharded=self.sharded
        )
        self.weights = {name: p for name, p in sorted(self.model.named_parameters()) if p.requires_grad}
        self.lengths = [len(pair.ids) for pair in job.train]
        self.steps_an_epoch = len(self._plan(0))
        total = self.steps_an_epoch * self.params.epochs
        self.optimizer = torch.optim.AdamW(
            list(self.weights.values()), lr=self.params.learning_rate, weight_decay=self.params.weight_decay, fused=True
        )
        # A function of the step only, so a resumed run has no state of a scheduler to restore.
        self.rate_at = get_scheduler(
            _SCHEDULES[self.params.schedule],
            self.optimizer,
            num_warmup_steps=math.ceil(self.params.warmup_share * total),
            num_training_steps=total,
        ).lr_lambdas[0]
        self.losses: list[float] = []
        self.epochs: list[EpochResult] = []
        self.best: dict[str, torch.Tensor] | None = None
        self.best_epoch = 0
        self.tokens_before = 0
        self._resume()

    def finish(self, on_epoch: OnEpoch) -> tuple[Any, TrainingReport]:
        """Train to the last epoch, until `patience_epochs` without a better epoch, or until `on_epoch` returns True."""
        self.model.train()
        while len(self.epochs) < self.params.epochs and not self._has_stalled():
            epoch = len(self.epochs)
            steps = self._plan(epoch)
            for step in steps[len(self.losses) - epoch * self.steps_an_epoch :]:
                self._take(step)
                if len(self.losses) % self.job.checkpoint_every_steps == 0:
                    self._save()
            self._end_epoch(steps)
            self._save()
            if on_epoch(self.epochs[-1]):
                break
        if self.best is not None:
            with torch.no_grad():
                for name, weight in self.weights.items():
                    weight.copy_(self.best[name])
        self.model.eval()
        read = len(self.epochs)
        labels = sum(len(pair.ids) - pair.n_prompt for pair in self.job.train)
        return self.model, TrainingReport(
            epochs=tuple(self.epochs),
            best_epoch=self.best_epoch or read,
            stopped_early=read < self.params.epochs,
            steps=len(self.losses),
            tokens=sum(self.lengths) * read,
            label_tokens=labels * read,
            trainable_parameters=sum(weight.numel() for weight in self.weights.values()),
            losses=tuple(self.losses),
            backend=f"{self.device.type} {'bf16' if self.bf16 else 'fp32'}, {self.world_size} processes",
        )

    def _plan(self, epoch: int) -> list[Step]:
        return plan_epoch(self.lengths, self.params, epoch, world_size=self.world_size)

    def _take(self, step: Step) -> None:
        # Dropout depends only on the step, so a resumed run draws the same as an uninterrupted one.
        torch.manual_seed(self.params.seed * 1_000_003 + len(self.losses) * self.world_size + self.rank)
        chance = random.Random(f"{self.params.seed} {len(self.losses)}")
        pairs = [
            [drop_asked(self.job.train[at], self.params.question_dropout, chance) for at in batch] for batch in step
        ]
        labels = sum(len(pair.ids) - pair.n_prompt for batch in pairs for pair in batch)
        loss = torch.zeros((), device=self.device)
        for batch, share in self._own_part(pairs):
            part = self._loss(batch).sum() / labels * share
            torch.autograd.backward(part)
            loss += part.detach()
        self._add_up(loss)
        value = float(loss)
        norm = float(torch.nn.utils.clip_grad_norm_(list(self.weights.values()), self.params.max_grad_norm))
        # A gradient that overflowed would make the weights NaN, and after the last step no later loss would show it.
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise GateRefused(
                f"the loss became {value} and its gradient {norm} at step {len(self.losses) + 1}",
                where="training",
                do="lower training.learning_rate, or set training.precision to fp32; the served adapter stays",
            )
        for group in self.optimizer.param_groups:
            # The rate at the middle of the step: at its start the first rate would be zero, at its end the last one.
            group["lr"] = self.params.learning_rate * self.rate_at(len(self.losses) + 0.5)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.losses.append(value)
        self.advance(sum(len(pair.ids) for batch in pairs for pair in batch))

    def _own_part(self, step: Sequence[list[Encoded]]) -> list[tuple[list[Encoded], float]]:
        """Return this process's batches with their weight in the loss.

        Processes that share a base must run it equally often: one with fewer batches repeats the first with weight 0.
        """
        own = [(batch, 1.0) for batch in step[self.rank :: self.world_size]]
        missing = math.ceil(len(step) / self.world_size) - len(own) if self.sharded else 0
        return own + [(step[0], 0.0)] * missing

    def _loss(self, batch: Sequence[Encoded]) -> torch.Tensor:
        """Return the loss of each label of the batch [n_labels]."""
        logits, labels = self._predict(batch)
        return torch.nn.functional.cross_entropy(logits, labels, reduction="none")

    def _predict(self, batch: Sequence[Encoded]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits [n_labels, vocabulary] float32 and labels [n_labels] of a batch, row by row.

        Padding is on the left, so the labels of all rows end together. Logits are computed only where there is a label:
        the output layer is a fifth of a small model.
        """
        width = max(len(pair.ids) for pair in batch)
        kept = max(len(pair.ids) - pair.n_prompt for pair in batch)
        ids = torch.zeros((len(batch), width), dtype=torch.long)
        mask = torch.zeros_like(ids)
        labels = torch.full((len(batch), kept), -100)
        for row, pair in enumerate(batch):
            ids[row, width - len(pair.ids) :] = torch.tensor(pair.ids)
            mask[row, width - len(pair.ids) :] = 1
            labels[row, kept - (len(pair.ids) - pair.n_prompt) :] = torch.tensor(pair.ids[pair.n_prompt :])
        learned = (labels != -100).to(self.device)
        padded = bool((mask == 0).any())
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16), self._logits_at(learned):
            output = self.model(
                input_ids=ids.to(self.device),
                # Without a mask, attention takes its fast causal path.
                attention_mask=mask.to(self.device) if padded else None,
                position_ids=(mask.cumsum(1) - 1).clamp(min=0).to(self.device) if padded else None,
                use_cache=False,
                logits_to_keep=kept + 1,
            )
        return output.logits.float(), labels.to(self.device)[learned]

    @contextmanager
    def _logits_at(self, places: torch.Tensor) -> Iterator[None]:
        # The hook is between body and output layer, so the model's own changes to its logits still happen.
        head = self.model.get_output_embeddings()
        handle = head.register_forward_pre_hook(lambda _, inputs: (inputs[0][:, :-1][places],))
        try:
            yield
        finally:
            handle.remove()

    def _end_epoch(self, steps: Sequence[Step]) -> None:
        epoch = len(self.epochs) + 1
        loss = sum(self.losses[-len(steps) :]) / len(steps)
        asked = self.job.validation and (self.params.patience_epochs is not None or epoch == self.params.epochs)
        validation_loss, accuracy = self._validate() if asked else (None, None)
        self.epochs.append(EpochResult(epoch, loss, validation_loss, accuracy))
        if self.params.patience_epochs is None or accuracy is None:
            return
        if not self.best_epoch or self.epochs[-1].merit > self.epochs[self.best_epoch - 1].merit:
            self.best_epoch = epoch
            self.best = {name: weight.detach().clone() for name, weight in self.weights.items()}

    def _validate(self) -> tuple[float, float]:
        """Return the mean loss per label, and the share of pairs in which each answer token is the most likely one."""
        self.model.eval()
        asked = self.job.validation
        planned = plan_batches([len(pair.ids) for pair in asked], VALIDATION_TOKENS)
        total, right, labels_read = 0.0, 0, 0
        with torch.inference_mode():
            for batch in ([asked[at] for at in positions] for positions in planned):
                logits, labels = self._predict(batch)
                total += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
                hits = (logits.argmax(-1) == labels).tolist()
                labels_read += len(hits)
                for pair in batch:
                    n = len(pair.ids) - pair.n_prompt
                    right += all(hits[:n])
                    hits = hits[n:]
        self.model.train()
        return total / labels_read, right / len(asked)

    def _has_stalled(self) -> bool:
        patience = self.params.patience_epochs
        return patience is not None and self.best_epoch > 0 and len(self.epochs) - self.best_epoch >= patience

    def _add_up(self, loss: torch.Tensor) -> None:
        """Sum loss and gradients over the processes."""
        if self.world_size == 1:
            return
        torch.distributed.all_reduce(loss)
        for weight in self.weights.values():
            # A process without a batch in this step has no gradient.
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
            torch.distributed.all_reduce(weight.grad)

    def _save(self) -> None:
        if self.job.checkpoint is None or self.rank != 0:
            return
        write_checkpoint(
            self.job.checkpoint,
            Checkpoint(self.digest, self.losses, self.epochs, self.best_epoch),
            {"weight": self.weights, "best": self.best or {}} | self._moments(),
        )

    def _moments(self) -> dict[str, dict[str, torch.Tensor]]:
        state = self.optimizer.state
        return {
            moment: {name: state[weight][moment] for name, weight in self.weights.items() if weight in state}
            for moment in ("exp_avg", "exp_avg_sq", "step")
        }

    def _resume(self) -> None:
        found = read_checkpoint(self.job.checkpoint, self.digest) if self.job.checkpoint else None
        if found is None:
            return
        checkpoint, tensors = found
        self.losses, self.epochs = list(checkpoint.losses), list(checkpoint.epochs)
        self.best_epoch, self.best = checkpoint.best_epoch, tensors["best"] or None
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(tensors["weight"][name])
                self.optimizer.state[weight] = {
                    # The fused optimiser keeps its step counter on the device of the weights.
                    moment: tensors[moment][name].to(self.device)
                    for moment in ("exp_avg", "exp_avg_sq", "step")
                }
        step = len(self.losses) - len(self.epochs) * self.steps_an_epoch
        begun = [at for batches in self._plan(len(self.epochs))[:step] for batch in batches for at in batch]
        self.tokens_before = len(self.epochs) * sum(self.lengths) + sum(self.lengths[at] for at in begun)


def _join_processes() -> tuple[int, int, torch.device]:
    """Return rank, number of processes and device; more than one process only under `accelerate launch` or torchrun."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
    if world_size > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return int(os.environ.get("RANK", "0")), world_size, device
