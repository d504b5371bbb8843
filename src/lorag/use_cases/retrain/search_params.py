"""A search for an adapter's training settings, judged by the held-out phrasings in the validation set."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from lorag.costs.records import Cost
from lorag.counted import counted
from lorag.errors import GateRefused, StoreFailed, WorkspaceError
from lorag.integrations.lora.training import TrainingJob, encode_pairs, train_lora
from lorag.integrations.machine.cost_meter import CostMeter
from lorag.integrations.machine.gpu_energy import count_held_gpus
from lorag.integrations.mlflow.tracking import PARENT_TAG, Run, TrackingLocation, locate_tracking, start_run
from lorag.integrations.models.files import convert_base_model
from lorag.integrations.models.model_text import ModelText
from lorag.integrations.optuna_search import ShouldStop, search_values
from lorag.params import Params, TrainingParams
from lorag.progress import show_progress
from lorag.strategies import AdapterKind
from lorag.tuning.pairs import read_pairs, training_set_digest
from lorag.tuning.report import EpochResult
from lorag.tuning.trials import Trial, TrialState, TrialValues, best_trial, dvc_command, params_lines
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """A finished search: its trials in order, the best of them, and their total cost."""

    adapter: AdapterKind
    trials: Sequence[Trial]
    best: Trial
    cost: Cost
    run_id: str

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag search-params --json` prints."""
        return {
            "adapter": self.adapter.value,
            "trials": [trial.to_json() for trial in self.trials],
            "best": self.best.to_json(),
            "params_yaml": params_lines(self.adapter, self.best),
            "dvc": dvc_command(self.adapter, self.best),
            "cost": self.cost.to_json(),
            "mlflow_run": self.run_id,
        }


def search_params(
    adapter: AdapterKind, workspace: Workspace, params: Params, environ: Mapping[str, str]
) -> SearchOutcome:
    """Train each trial from scratch with settings from `parameter_search`, and return which settings were best.

    The gate's phrasings are not used, so the gate stays an unbiased test of an adapter with the best settings.
    The time limit is checked after each epoch. Raises WorkspaceError if there is no training set, StoreFailed if
    MLflow cannot be reached at the start, and GateRefused if every trial diverged.
    """
    job = _open_job(adapter, workspace, params)
    location = locate_tracking(workspace.state, environ)
    tags = {"lorag.kind": "search", "lorag.adapter": adapter.value, "lorag.training_set_digest": job.digest}
    outcome = None
    try:
        with start_run(location, params.tracking.experiment, f"search {adapter.value}", tags) as run:
            outcome = _search(adapter, job, params, run, location)
            with _never_lost("the search"):
                _log_outcome(outcome, run, params)
    except StoreFailed as error:
        if outcome is None:
            raise
        logger.warning("the search's run is left open: %s", error)
    return outcome


def _open_job(adapter: AdapterKind, workspace: Workspace, params: Params) -> TrainingJob:
    folder = workspace.training_folder(adapter)
    try:
        train, validation = read_pairs(folder / "train.jsonl"), read_pairs(folder / "validation.jsonl")
    except FileNotFoundError:
        raise WorkspaceError(
            f"no training set for {adapter.value}", where=str(folder), do=f"run `dvc repro training_set@{adapter}`"
        ) from None
    if not train or not validation:
        raise WorkspaceError(
            "nothing to train on, or nothing to judge trials by",
            where=str(folder),
            do="give questions a held-out phrasing, in the file of knowledge.questions",
        )
    base = convert_base_model(params.generation.model)
    text, limit = ModelText.load(base), params.training_set.max_pair_tokens
    epochs = params.parameter_search.epochs
    return TrainingJob(
        base=base,
        train=encode_pairs(train, text, limit),
        validation=encode_pairs(validation, text, limit),
        # With patience as long as the trial each epoch is validated, and only the search ends a trial early.
        params=params.training[adapter].model_copy(update={"epochs": epochs, "patience_epochs": epochs}),
        start=None,
        checkpoint=None,
        digest=training_set_digest(train),
    )


def _search(
    adapter: AdapterKind, job: TrainingJob, params: Params, parent: Run, location: TrackingLocation
) -> SearchOutcome:
    ranges = params.parameter_search
    deadline_s = time.monotonic() + ranges.minutes * 60
    trials: list[Trial] = []

    def run_trial(number: int, values: TrialValues, should_stop: ShouldStop) -> float | None:
        settings = values.apply(job.params)
        title = f"Trial {number} of at most {ranges.trials}, rank {values.rank}, {values.learning_rate:.2e}, tokens"
        with CostMeter(params.costs, gpus=count_held_gpus()) as meter:
            state, epochs = _train(replace(job, params=settings), should_stop, deadline_s, title)
            meter.add_tokens(trained=len(epochs) * sum(len(pair.ids) for pair in job.train))
        cost = meter.stop()
        trial = Trial(number, values, settings.alpha, state, epochs, cost.use.wall_s)
        trials.append(trial)
        with _never_lost(f"trial {number}"):
            _log_trial(trial, settings, cost, parent, location, params.tracking.experiment)
        failed = trial.best is None or state in (TrialState.PRUNED, TrialState.DIVERGED)
        return None if failed or trial.best is None else trial.best.validation_accuracy

    with CostMeter(params.costs, gpus=count_held_gpus()) as meter:
        search_values(ranges, job.params, run_trial, trials=ranges.trials, minutes=ranges.minutes)
        meter.add_tokens(trained=sum(len(t.epochs) for t in trials) * sum(len(pair.ids) for pair in job.train))
    best = best_trial(trials)
    if best is None:
        raise GateRefused(
            f"the loss became NaN or infinite in each of {counted(len(trials), 'trial')}",
            where="parameter_search",
            do="lower parameter_search.learning_rate, or set training.precision to fp32",
        )
    return SearchOutcome(adapter, tuple(trials), best, meter.stop(), parent.run_id)


def _train(
    job: TrainingJob, should_stop: ShouldStop, deadline_s: float, title: str
) -> tuple[TrialState, list[EpochResult]]:
    epochs: list[EpochResult] = []
    state = TrialState.COMPLETE

    def on_epoch(result: EpochResult) -> bool:
        nonlocal state
        epochs.append(result)
        lags = should_stop(result.epoch, result.validation_accuracy or 0.0)
        if len(epochs) < job.params.epochs:
            if lags:
                state = TrialState.PRUNED
            elif time.monotonic() >= deadline_s:
                state = TrialState.OUT_OF_TIME
        return state is not TrialState.COMPLETE

    total = job.params.epochs * sum(len(pair.ids) for pair in job.train)
    with show_progress(title, total) as advance:
        try:
            train_lora(job, advance, on_epoch)
        except GateRefused:
            state = TrialState.DIVERGED
    return state, epochs


def _log_trial(
    trial: Trial, settings: TrainingParams, cost: Cost, parent: Run, location: TrackingLocation, experiment: str
) -> None:
    tags = {PARENT_TAG: parent.run_id, "lorag.kind": "search_trial", "lorag.trial_state": trial.state.value}
    with start_run(location, experiment, f"trial {trial.number}", tags) as run:
        run.log_params(settings.model_dump(mode="json"))
        run.log_metrics(cost.as_metrics())
        for name in ("loss", "validation_loss", "validation_accuracy"):
            run.log_curve(name, {e.epoch: value for e in trial.epochs if (value := getattr(e, name)) is not None})
        best = {name: value for name, value in trial.to_json().items() if name.startswith("validation_")}
        run.log_metrics({f"best.{name}": value for name, value in best.items() if value is not None})


def _log_outcome(outcome: SearchOutcome, run: Run, params: Params) -> None:
    run.log_params(params.model_dump(mode="json"))
    best = {name: value for name, value in outcome.best.to_json().items() if isinstance(value, int | float)}
    run.log_metrics({**outcome.cost.as_metrics(), **{f"best.{name}": value for name, value in best.items()}})
    run.set_tags({"lorag.best_trial": str(outcome.best.number)})
    run.log_json(outcome.to_json(), "search.json")


@contextmanager
def _never_lost(what: str) -> Iterator[None]:
    """Warn when the tracking store fails, so that hours of training are not lost."""
    try:
        yield
    except StoreFailed as error:
        logger.warning("%s is not logged: %s", what, error)
