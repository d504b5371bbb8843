"""The report of a training run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class EpochResult:
    """An epoch: the mean loss a label on the training pairs, and on the validation pairs if they were measured.

    `validation_accuracy` is the share of validation pairs whose whole answer the model would write word for word.
    """

    epoch: int
    loss: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None

    @property
    def merit(self) -> tuple[float, float]:
        """A sort key, greater is better: accuracy first, then the lower loss; unmeasured epochs come last."""
        accuracy, loss = self.validation_accuracy, self.validation_loss
        return (-1.0 if accuracy is None else accuracy, float("-inf") if loss is None else -loss)


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """A finished run; `best_epoch` is the one whose weights were kept.

    `tokens` counts all tokens that were read, without padding; `label_tokens` those with a loss; both over all epochs.
    """

    epochs: Sequence[EpochResult]
    best_epoch: int
    stopped_early: bool
    steps: int
    tokens: int
    label_tokens: int
    trainable_parameters: int
    losses: Sequence[float]
    backend: str

    @property
    def final_loss(self) -> float:
        """The loss of the epoch whose weights were kept."""
        return self.epochs[self.best_epoch - 1].loss

    def to_json(self) -> dict[str, Any]:
        """Return plain values: equal for equal runs, so without times."""
        return asdict(self) | {"final_loss": self.final_loss}
