"""Which training settings to try next: a tree of Parzen estimators, with a median rule to stop what lags."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from lorag.params import ParameterSearchParams, TrainingParams
from lorag.tuning.trials import TrialValues

if TYPE_CHECKING:
    import optuna

ShouldStop = Callable[[int, float], bool]
"""Takes a trial's figure after an epoch, and says whether it lags behind the median of those before."""

RunTrial = Callable[[int, TrialValues, ShouldStop], float | None]
"""Takes a trial's number, from 1, and values; gives its figure, more is better, or None where it stopped or failed."""


def search_values(
    ranges: ParameterSearchParams, present: TrainingParams, run_trial: RunTrial, *, trials: int, minutes: float
) -> None:
    """Runs trials one by one until so many are done or the minutes are over; a running one is let finish.

    Equal figures give equal trials: the sampler's seed is that of the training. The present settings are tried first,
    where the ranges hold them.
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
        # What is printed for params.yaml is what was tried.
        learning_rate=float(f"{rate:.2e}"),
        dropout=float(trial.suggest_categorical("dropout", list(ranges.dropout))),
    )
