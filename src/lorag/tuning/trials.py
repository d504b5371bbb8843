"""What a search for training settings tries, and which trial was best."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lorag.params import LoraMethod, TrainingParams
from lorag.strategies import AdapterKind
from lorag.tuning.report import EpochResult


class TrialState(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    OUT_OF_TIME = "out_of_time"


@dataclass(frozen=True, slots=True)
class TrialValues:
    """The settings that a search changes."""

    rank: int
    learning_rate: float
    dropout: float

    def apply(self, params: TrainingParams) -> TrainingParams:
        """The params with these values, and with the alpha that keeps the scale of the update as it is."""
        ratio = self.rank / params.rank
        alpha = params.alpha * (math.sqrt(ratio) if params.method is LoraMethod.RSLORA else ratio)
        return params.model_copy(
            update={
                "rank": self.rank,
                "alpha": alpha,
                "learning_rate": self.learning_rate,
                "dropout": self.dropout,
            }
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of training, by its number from 1; without epochs where it diverged in the first."""

    number: int
    values: TrialValues
    alpha: float
    state: TrialState
    epochs: Sequence[EpochResult]
    wall_s: float

    @property
    def best(self) -> EpochResult | None:
        """The epoch that answered most of the validation pairs, and of equals the one with the least loss."""
        return max(self.epochs, key=lambda epoch: epoch.merit, default=None)

    def to_json(self) -> dict[str, Any]:
        """Plain values; those of its best epoch."""
        best = self.best
        return {
            "number": self.number,
            "state": self.state.value,
            "rank": self.values.rank,
            "alpha": self.alpha,
            "learning_rate": self.values.learning_rate,
            "dropout": self.values.dropout,
            "epochs": len(self.epochs),
            "best_epoch": best.epoch if best else None,
            "validation_accuracy": best.validation_accuracy if best else None,
            "validation_loss": best.validation_loss if best else None,
            "wall_s": self.wall_s,
        }


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """The one with the best epoch, the first of equals; None where every one diverged."""
    judged = [(trial, best) for trial in trials if trial.state is not TrialState.DIVERGED and (best := trial.best)]
    return max(judged, key=lambda each: each[1].merit)[0] if judged else None


def params_lines(adapter: AdapterKind, trial: Trial) -> list[str]:
    """What to write to params.yaml."""
    return [
        "training:",
        f"  {adapter.value}:",
        *(f"    {name}: {value}" for name, value in _settings(trial).items()),
    ]


def dvc_command(adapter: AdapterKind, trial: Trial) -> str:
    """The same as an experiment of DVC, to compare with others before it is kept."""
    options = [f"-S training.{adapter.value}.{name}={value}" for name, value in _settings(trial).items()]
    return " ".join(["dvc exp run", *options, f"adapter_evaluation@{adapter.value}"])


def _settings(trial: Trial) -> dict[str, str]:
    return {
        "rank": str(trial.values.rank),
        "alpha": f"{trial.alpha:g}",
        # With a point: YAML 1.1 reads 1e-3 as text.
        "learning_rate": f"{trial.values.learning_rate:.2e}",
        "dropout": f"{trial.values.dropout:g}",
    }
