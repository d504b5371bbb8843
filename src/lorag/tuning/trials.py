"""The trials of a search for training settings, and the best of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lorag.params import LoraMethod, TrainingParams
from lorag.strategies import AdapterKind
from lorag.tuning.report import EpochResult


class TrialState(StrEnum):
    """The way in which a trial ended."""

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
        """Return the params with these values, and with the alpha that keeps the scale of the update."""
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
    """A training run with its number, from 1; it has no epochs if it diverged in the first."""

    number: int
    values: TrialValues
    alpha: float
    state: TrialState
    epochs: Sequence[EpochResult]
    wall_s: float

    @property
    def best(self) -> EpochResult | None:
        """The epoch with the most validation pairs right, then with the least loss; None without epochs."""
        return max(self.epochs, key=lambda epoch: epoch.merit, default=None)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with the results of its best epoch."""
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
    """Return the trial with the best epoch, the first of equals; None if every trial diverged."""
    judged = [(trial, best) for trial in trials if trial.state is not TrialState.DIVERGED and (best := trial.best)]
    return max(judged, key=lambda each: each[1].merit)[0] if judged else None


def params_lines(adapter: AdapterKind, trial: Trial) -> list[str]:
    """Return the lines to write to params.yaml."""
    return [
        "training:",
        f"  {adapter.value}:",
        *(f"    {name}: {value}" for name, value in _settings(trial).items()),
    ]


def dvc_command(adapter: AdapterKind, trial: Trial) -> str:
    """Return the DVC command that runs the same settings as an experiment, to compare before they are kept."""
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
