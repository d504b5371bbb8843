"""The steps of a comparison in a workspace; each of them is a task of the flow."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lorag.costs.records import Cost
from lorag.counted import counted
from lorag.errors import WorkspaceError
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.comparison import BESIDE, IDEAL, READING, Comparison
from lorag.evaluation.routing import Routing, Unrouted
from lorag.evaluation.rule_error import RULE_ERROR
from lorag.integrations.dvc import dvc_repo
from lorag.integrations.models.files import base_model_sha256
from lorag.integrations.models.generators import asks_endpoint
from lorag.params import Engine, Params
from lorag.questions.coverage import Coverage
from lorag.releases.adapter_shelf import CONFIG, WEIGHTS, adapter_sha256
from lorag.releases.record import Release, content_digest
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import AdapterKind, Strategy
from lorag.use_cases.asking.answer_questions import Batch, answer_questions, forget_batch, read_batch
from lorag.use_cases.asking.artifacts import load_wanted
from lorag.use_cases.asking.question_set import load_question_set, require_questions
from lorag.use_cases.asking.versions import MODELS, write_versions
from lorag.use_cases.compare.compare_answers import compare, load_answers, write_comparison
from lorag.use_cases.compare.measure_speed import Speed, choose_timed, measure_speed
from lorag.use_cases.retrain.coverage import coverage_of
from lorag.use_cases.retrain.starting_adapter import read_lineage
from lorag.workspace import Workspace

TRAINING = "training.json"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The subject of a comparison: the release, the strategies that can answer, and why others cannot.

    `adapters` maps a strategy to the sha256 of the adapter that answers, and `coverage` to what share of the knowledge
    its training asked about, if that is known. `notes` are what a reader should know about
    strategies that are compared.
    """

    release: Release
    strategies: tuple[Strategy, ...]
    adapters: Mapping[Strategy, str]
    left_out: Mapping[Strategy, str]
    notes: Mapping[Strategy, str]
    coverage: Mapping[Strategy, Coverage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answered:
    """The stages that ran for a strategy, and the batch that was really generated; None if all answers were cached."""

    strategy: Strategy
    stages: tuple[str, ...]
    batch: Batch | None


@dataclass(frozen=True, slots=True)
class Timed:
    """The speed of a strategy, or why it was not measured."""

    strategy: Strategy
    speed: Speed | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CompareOutcome:
    """The results of a comparison; `rows` are the answers by strategy, including the ideal variants.

    `limit` is set if only some questions were asked, which does not change the reports of the pipeline.
    """

    chosen: Chosen
    answered: tuple[Answered, ...]
    comparison: Comparison
    rows: Mapping[str, Sequence[AnswerRow]]
    timed: tuple[Timed, ...]
    auto: Routing | Unrouted
    limit: int | None
    report: Path
    stages: tuple[str, ...] = ()
    mlflow_run_id: str | None = None
    runs: Mapping[Strategy, str] | None = None

    def batch(self, strategy: Strategy) -> Batch | None:
        """Return the batch that was generated for the strategy; None if there was none."""
        return next(each.batch for each in self.answered if each.strategy == strategy)

    def time(self, strategy: Strategy) -> Timed:
        """Return the timing of the strategy."""
        return next(each for each in self.timed if each.strategy == strategy)

    def cost_source(self, strategy: Strategy) -> str | None:
        """Return what the cost of a query was measured on: `streamed` questions, a `batch`, or None."""
        if self.time(strategy).speed is not None:
            return "streamed"
        return "batch" if self.batch(strategy) is not None else None

    def cost(self, strategy: Strategy) -> Cost | None:
        """Return the cost that `cost_source` names."""
        measured = self.time(strategy).speed or self.batch(strategy)
        return measured.cost if measured else None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag compare --json` prints; docs/json.md lists its keys."""
        release, comparison = self.chosen.release, self.comparison.to_json()
        return {
            "release": release.id,
            "generation": release.generation,
            "corpus_digest": release.corpus_digest,
            "content_digest": release.content_digest,
            "limit": self.limit,
            "questions": comparison["questions"],
            "question_set_digest": comparison["question_set_digest"],
            "confidence": comparison["confidence"],
            "measure": RULE_ERROR.to_json(),
            "strategies": {name: self._strategy_to_json(name, comparison) for name in self.chosen.strategies},
            "differences": comparison["differences"],
            "auto": self.auto.to_json(),
            "retrieval": comparison["retrieval"],
            "left_out": dict(self.chosen.left_out),
            "notes": dict(self.chosen.notes),
            "stages": list(self.stages),
            "report": str(self.report),
            "mlflow_run_id": self.mlflow_run_id,
        }

    def _strategy_to_json(self, name: Strategy, comparison: Mapping[str, Any]) -> dict[str, Any]:
        timed, batch, cost = self.time(name), self.batch(name), self.cost(name)
        return {
            "adapter_sha256": self.chosen.adapters.get(name),
            "coverage": self.chosen.coverage[name].to_json() if name in self.chosen.coverage else None,
            "quality": comparison["strategies"][name],
            "kinds": comparison["kinds"].get(name),
            "ideal": comparison["strategies"].get(f"{name}{IDEAL}"),
            "reading": comparison["strategies"].get(f"{name}{READING}"),
            "beside": comparison["strategies"].get(f"{name}{BESIDE}"),
            "strata": comparison["strata"][name],
            "speed": timed.speed.to_json() if timed.speed else None,
            "speed_missing": timed.reason,
            "cost_source": self.cost_source(name),
            "cost": cost.to_json() if cost else None,
            "batch": {"n_queries": batch.n_queries, "cost": batch.cost.to_json()} if batch else None,
            "mlflow_run_id": (self.runs or {}).get(name),
        }


def choose_strategies(workspace: Workspace, params: Params) -> Chosen:
    """Return the strategies of params that can answer from the served release as it is; nothing is trained for it.

    Raises WorkspaceError if nothing is served, if there are no questions, if the pipeline's artifacts are not those of
    the served release, and if no strategy is left.
    """
    release = ReleaseShelf(workspace.state).served()
    if release is None:
        raise WorkspaceError("nothing is served yet", do="run `lorag refresh`")
    require_questions(workspace, params, "compare with")
    write_versions(workspace, params, fetch=MODELS)
    _require_artifacts(workspace, release)
    adapters: dict[Strategy, str] = {}
    left_out: dict[Strategy, str] = {}
    for strategy in params.comparison.strategies:
        if (kind := strategy.profile.adapter) is None:
            continue
        if missing := _missing(kind, workspace, params):
            left_out[strategy] = missing
        else:
            adapters[strategy] = adapter_sha256(workspace.adapter_folder(kind))
    strategies = tuple(name for name in params.comparison.strategies if name not in left_out)
    notes = {name: note for name, sha256 in adapters.items() if (note := _standing(name, sha256, release))}
    if note := _about_endpoint(params, os.environ):
        notes |= {name: "; ".join(filter(None, (notes.get(name), note))) for name in strategies}
    if not strategies:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise WorkspaceError(f"no strategy to compare: {reasons}", where="comparison.strategies", do="name others")
    covered = {name: _coverage(name, sha256, release, workspace, params) for name, sha256 in adapters.items()}
    known = {name: coverage for name, coverage in covered.items() if coverage is not None}
    return Chosen(release, strategies, adapters, left_out, notes, known)


def _coverage(
    strategy: Strategy, sha256: str, release: Release, workspace: Workspace, params: Params
) -> Coverage | None:
    """Return the coverage by the adapter's training, which a refused adapter has too; None if it is unknown."""
    kind = AdapterKind(strategy)
    served = release.adapters.get(kind)
    if served is not None and served.sha256 == sha256 and served.coverage is not None:
        return served.coverage
    lineage = read_lineage(workspace.training_folder(kind))
    trained_on = json.loads((workspace.adapter_folder(kind) / TRAINING).read_text(encoding="utf-8"))
    # Another training set may have been made since, without a training.
    if lineage is None or lineage.get("training_set_digest") != trained_on.get("training_set_digest"):
        return None
    return coverage_of(lineage, workspace, params)


def _require_artifacts(workspace: Workspace, release: Release) -> None:
    try:
        wanted = load_wanted(workspace)
        found = content_digest((chunk.id, chunk.content_hash, wanted.fingerprint) for chunk in wanted.chunks)
    except OSError:
        found = None
    if found != release.content_digest:
        raise WorkspaceError(
            "the artifacts of the pipeline are not those of the served release",
            where=f"release {release.id}",
            do="run `lorag refresh`, then `lorag compare`",
        )


def _missing(kind: AdapterKind, workspace: Workspace, params: Params) -> str | None:
    """Return why no adapter of the kind can answer; None if one can. A comparison trains none."""
    if params.generation.engine is Engine.ENDPOINT:
        return "an endpoint answers, and adapters are trained for a model here"
    if kind not in params.tuning.adapters:
        return "tuning.adapters does not name it"
    folder = workspace.adapter_folder(kind)
    if not all((folder / name).is_file() for name in (CONFIG, WEIGHTS, TRAINING)):
        return f"its adapter was never trained here: run `lorag retrain --adapter {kind}`"
    trained_on = json.loads((folder / TRAINING).read_text(encoding="utf-8"))["base_model_sha256"]
    if trained_on != base_model_sha256(params.generation.model):
        return f"its adapter was trained on another base model: run `lorag retrain --adapter {kind}`"
    return None


def _about_endpoint(params: Params, environment: Mapping[str, str]) -> str | None:
    """Return what a reader should know about the model that answers; None if it is the expected one."""
    if params.generation.engine is Engine.ENDPOINT:
        return f"answered by {params.generation.endpoint_model} at the endpoint in LORAG_OPENAI_BASE_URL"
    if asks_endpoint(environment):
        return "answered by generation.model here; the endpoint is compared if generation.engine is endpoint"
    return None


def _standing(strategy: Strategy, sha256: str, release: Release) -> str | None:
    """Return what a reader should know about the adapter that answers; None if there is nothing."""
    served = release.adapters.get(AdapterKind(strategy))
    if served is None:
        return "its adapter is trained, but not served: its gate refused it"
    if served.sha256 != sha256:
        return f"its adapter was trained last, but the release serves another, {served.id}"
    versions = {name: entry.version for name, entry in release.documents.items()}
    changed = sum(versions.get(name) != version for name, version in served.documents.items())
    return f"{counted(changed, 'document')} changed or went since its adapter was trained" if changed else None


def reproduce_answers(strategy: Strategy, workspace: Workspace, params: Params, limit: int | None) -> Answered:
    """Answer the questions if DVC finds the stage stale, or some of them outside DVC if there is a `limit`.

    The dependencies of a stage are used as they are: no adapter is trained and no index is built.
    """
    forget_batch(strategy, workspace)
    stages: Sequence[str] = ()
    if limit is None:
        stages = dvc_repo.reproduce(workspace.root, [_stage(strategy)], alone=True)
    else:
        answer_questions(strategy, workspace, params, _limited(workspace) / strategy)
    return Answered(strategy, tuple(stages), read_batch(strategy, workspace))


def reproduce_comparison(
    chosen: Chosen, workspace: Workspace, params: Params, limit: int | None
) -> tuple[Comparison, Mapping[str, Sequence[AnswerRow]], Sequence[str]]:
    """Return the comparison with its answers, and the stages that ran."""
    folder = workspace.answers if limit is None else _limited(workspace)
    for strategy in chosen.left_out:
        # These answers are from an earlier run, in which the strategy could answer.
        shutil.rmtree(folder / strategy, ignore_errors=True)
    stages: Sequence[str] = ()
    if limit is None:
        stages = dvc_repo.reproduce(workspace.root, ["comparison"], alone=True)
    comparison = compare(folder, workspace, params)
    if limit is not None:
        write_comparison(comparison, folder)
    return comparison, load_answers(folder, params), stages


def time_answers(
    strategy: Strategy, chosen: Chosen, workspace: Workspace, params: Params, environment: Mapping[str, str]
) -> Timed:
    """Measure how quickly the served release answers with the strategy, if it serves the adapter for it.

    The served adapter may differ from the compared one, which a note reports: the cost of a question is the same.
    """
    kind = strategy.profile.adapter
    if kind is not None and kind not in chosen.release.adapters:
        return Timed(strategy, None, chosen.notes[strategy])
    questions = choose_timed(
        load_question_set(load_wanted(workspace), workspace, params), params.comparison.latency_questions
    )
    if not questions:
        return Timed(strategy, None, "no question has an answer and its documents")
    return Timed(strategy, measure_speed(strategy, questions, workspace, params, environment))


def _stage(strategy: Strategy) -> str:
    return f"answers@{strategy}" if strategy.profile.adapter is None else f"adapter_answers@{strategy}"


def _limited(workspace: Workspace) -> Path:
    return workspace.state / "limited_comparison"
