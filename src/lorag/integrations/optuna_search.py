"""The search for training settings: a tree of Parzen estimators, and a median rule that stops trials which lag."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from lorag.params import ParameterSearchParams, TrainingParams
from lorag.tuning.trials import TrialValues

if TYPE_CHECKING:
    import optuna

ShouldStop = Callable[[int, float], bool]
"""Takes an epoch and a trial's figure after it; returns whether it lags behind the median of the earlier trials."""

RunTrial = Callable[[int, TrialValues, ShouldStop], float | None]
"""Takes a trial's number, from 1, and values; returns its figure, more is better, or None if it stopped or failed."""


def search_values(
    ranges: ParameterSearchParams, present: TrainingParams, run_trial: RunTrial, *, trials: int, minutes: float
) -> None:
    """Run trials one by one until there are `trials` of them or the minutes are over; a running one may finish.

    Equal figures give equal trials, because the sampler's seed is the seed of the training. The present settings are
    tried first, if the ranges contain them.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=present.seed),
        # The first epoch is mostly the warm-up.
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    )
    first = {"rank": present.rank, "learning_rate": present.learning_rate, "dropout": present.dropout}
    least, greatest = ranges.learning_rate
    if present.rank in ranges.rank and present.dropout in ranges.dropout and least <= present.learning_rate <= greatest:
        study.enqueue_trial(first)

    def objective(trial: "optuna.Trial") -> float:
        def should_stop(epoch: int, figure: float) -> bool:
            trial.report(figure, epoch)
            return trial.should_prune()

        figure = run_trial(trial.number + 1, _suggest(trial, ranges), should_stop)
        if figure is None:
            raise optuna.TrialPruned
        return figure

    study.optimize(objective, n_trials=trials, timeout=minutes * 60)


def _suggest(trial: "optuna.Trial", ranges: ParameterSearchParams) -> TrialValues:
    least, greatest = ranges.learning_rate
    rate = trial.suggest_float("learning_rate", least, greatest, log=True)
    return TrialValues(
        rank=int(trial.suggest_categorical("rank", list(ranges.rank))),
        # Rounded here, so that the value printed for params.yaml is the value that was tried.
        learning_rate=float(f"{rate:.2e}"),
        dropout=float(trial.suggest_categorical("dropout", list(ranges.dropout))),
    )
