"""The forecast of a retrain in a workspace: made after the training set, in seconds, before anything is trained."""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lorag.errors import GateRefused, LoragError, StoreFailed
from lorag.integrations.dvc import dvc_repo
from lorag.integrations.machine.hardware import read_machine
from lorag.integrations.mlflow.ledger import newest_training
from lorag.integrations.mlflow.tracking import locate_tracking
from lorag.integrations.models.catalogue import read_card
from lorag.integrations.models.embedders import choose_bf16
from lorag.integrations.models.files import base_model_sha256, resolve_model
from lorag.knowledge.artifacts import read_chunks, read_documents
from lorag.params import Params
from lorag.questions.facts import collect_facts, fact_digests, fact_of
from lorag.questions.questions import read_questions
from lorag.questions.words import normalise
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import AdapterKind
from lorag.tuning.forecast import MEASURED_PARAMETERS, Estimate, Forecast, PlannedFact, find_obstacles
from lorag.tuning.pairs import Pair, read_pairs
from lorag.tuning.replay import general_controls
from lorag.use_cases.retrain.coverage import coverage_of
from lorag.use_cases.retrain.evaluate_adapter import READING_QUESTIONS
from lorag.use_cases.retrain.starting_adapter import LINEAGE, read_lineage, read_start
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)

_TOKENS_PER_QUESTION = 224
"""The training tokens that take as long as a question of the exam, which the base model answers too.

Measured once on a quiet machine: 1.9 minutes for about 330 questions, beside a training at 650 tokens/s.
"""

_TOKENS_PER_S, _TOKENS_PER_S_WITHOUT_BF16 = 330, 140
"""The tokens a second of a whole retrain of `tuned`, its exam counted by `_TOKENS_PER_QUESTION`.

Measured with a model of `MEASURED_PARAMETERS` on two cores of a Zen 4 (321,310 tokens and the exam in 1,199 s) and of a
Zen 3, which has neither bf16 nor AVX-512 (19,384 tokens and the exam in 300 s).
"""

_STARTUP_S = 60
"""The seconds that the processes of the stages take to start, roughly."""

_LIBRARIES_MB, _BYTES_PER_PARAMETER = 1_000, 10
"""They give the 2.4 GB that a training with a model of `MEASURED_PARAMETERS` was measured to take at its peak."""


@dataclass(frozen=True, slots=True)
class PlannedTraining:
    """The stages that ran to make the training set, and the forecast; None if nothing would be trained."""

    stages: tuple[str, ...]
    forecast: Forecast | None


def plan_training(
    kind: AdapterKind, workspace: Workspace, params: Params, environment: Mapping[str, str], *, always: bool = False
) -> PlannedTraining:
    """Make the training set if it is stale, and forecast the training; with `always` also if nothing became stale."""
    stages = dvc_repo.reproduce(workspace.root, [f"training_set@{kind}"])
    trains = dvc_repo.is_stale(workspace.root, f"adapter@{kind}")
    if not (trains or always):
        return PlannedTraining(tuple(stages), None)
    return PlannedTraining(tuple(stages), forecast_training(kind, workspace, params, environment, trains=trains))


def forecast_training(
    kind: AdapterKind, workspace: Workspace, params: Params, environment: Mapping[str, str], *, trains: bool = True
) -> Forecast:
    """Return the forecast from the training set, the questions and the measurements that are there; trains nothing."""
    folder = workspace.training_folder(kind)
    lineage: dict[str, Any] = json.loads((folder / LINEAGE).read_text(encoding="utf-8"))
    start = read_start(workspace.start_folder(kind), base_model_sha256(params.generation.model))
    settings = params.training[kind] if start is None else params.training[kind].when_continuing()
    facts = _plan_facts(kind, read_pairs(folder / "train.jsonl"), workspace, params)
    n_parameters = _count_parameters(params)
    controls = [*general_controls(), *read_questions(workspace.resolve(params.knowledge.controls))]
    obstacles = find_obstacles(
        kind,
        facts,
        n_controls=sum(bool(control.answers) for control in controls),
        n_parameters=n_parameters,
        params=params.adapter_gate[kind],
    )
    tokens = int(lineage["tokens"]["total"])
    n_facts = sum(max(1, fact.n_held_out - 1) for fact in facts)
    n_asked = n_facts + len(controls) + (2 * min(n_facts, READING_QUESTIONS) if kind.reads else 0)
    work = tokens * settings.epochs + n_asked * _TOKENS_PER_QUESTION
    return Forecast(
        kind,
        lineage["counts"],
        lineage["n_validation"],
        facts,
        tokens,
        settings.epochs,
        _estimate(kind, work, n_asked, n_parameters, workspace, params, environment),
        coverage_of(lineage, workspace, params),
        obstacles,
        trains,
    )


def facts_with_one_wording(workspace: Workspace, params: Params) -> set[str]:
    """Return the ids of the facts that training asks for in one wording only."""
    wordings: dict[str, set[str]] = {}
    for question in read_questions(workspace.resolve(params.knowledge.questions)):
        own = wordings.setdefault(fact_of(question), set())
        own |= {normalise(text) for text in (question.question, *question.phrasings)}
    return {fact for fact, own in wordings.items() if len(own) < 2}


def refuse_stopped(forecasts: Sequence[Forecast]) -> None:
    """Raise GateRefused if one of these forecasts stops a retrain."""
    stopped = [forecast for forecast in forecasts if forecast.stops]
    if not stopped:
        return
    why = "; ".join(
        f"{forecast.adapter}: {obstacle.sentence}"
        for forecast in stopped
        for obstacle in forecast.obstacles
        if obstacle.is_certain
    )
    others = [f"`--adapter {forecast.adapter}`" for forecast in forecasts if not forecast.stops]
    alone = f"train {' or '.join(others)} alone, " if others else ""
    raise GateRefused(
        f"not trained, because a limit cannot be met: {why}",
        where="adapter_gate",
        do=f"write `phrasings` or loosen the limit, {alone}or train all the same with `lorag retrain --anyway`; "
        "`lorag retrain --plan` lists the questions",
    )


def _plan_facts(
    kind: AdapterKind, pairs: Sequence[Pair], workspace: Workspace, params: Params
) -> tuple[PlannedFact, ...]:
    """Return the facts that the exam asks for, as `set_exam` chooses them, in the order of the questions file."""
    questions = [q for q in read_questions(workspace.resolve(params.knowledge.questions)) if q.answers]
    facts, _ = collect_facts(questions, read_documents(workspace.documents_file), read_chunks(workspace.chunks_file))
    digests, known = fact_digests(fact.question for fact in facts), _known_facts(kind, workspace, params)
    asked_by = Counter(pair.fact_id for pair in pairs)
    told = {name for pair in pairs if pair.fact_id is None for name in pair.documents}
    found: dict[str, PlannedFact] = {}
    wordings: dict[str, set[str]] = {}
    for fact in facts:
        own = wordings.setdefault(fact.id, set())
        own |= {normalise(text) for _, text in fact.training_wordings}
        before = found.get(fact.id)
        found[fact.id] = PlannedFact(
            fact.id,
            before.question if before else fact.question.question,
            len(own),
            len(fact.question.held_out_phrasings) + (before.n_held_out if before else 0),
            bool(asked_by[fact.id] or told & fact.documents.keys()),
            known.get(fact.id) != digests[fact.id],
            fact.literal or bool(before and before.is_literal),
            frozenset(fact.documents) | (before.documents if before else frozenset()),
        )
    return tuple(found.values())


def _known_facts(kind: AdapterKind, workspace: Workspace, params: Params) -> Mapping[str, str]:
    """Return the digests of the facts that the served adapter was trained on, as its gate takes them."""
    release = ReleaseShelf(workspace.state).in_use()
    entry = release.adapters.get(kind) if release else None
    if entry is None or entry.base_model_sha256 != base_model_sha256(params.generation.model):
        return {}
    lineage = read_lineage(workspace.adapters / entry.sha256)
    return lineage["facts"] if lineage else {}


def _count_parameters(params: Params) -> int | None:
    try:
        return read_card(params.generation.model, resolve_model(params.generation.model)).n_parameters
    except (LoragError, OSError, ValueError):
        # The forecast then says less; the training itself reports what is wrong with the model.
        return None


def _estimate(
    kind: AdapterKind,
    work: int,
    n_asked: int,
    n_parameters: int | None,
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
) -> Estimate:
    """Return the estimate for `work`: the tokens of the training, and those that the `n_asked` questions count as."""
    location = locate_tracking(workspace.state, environment)
    try:
        cost = newest_training(
            location, params.tracking.experiment, kind.strategy, read_machine(), params.generation.model
        )
    except StoreFailed as error:
        logger.warning("the forecast does without the ledger: %s", error)
        cost = None
    if cost is not None:
        # An exam of the same size is assumed, because the ledger does not have it.
        rate = (cost.use.tokens_trained + n_asked * _TOKENS_PER_QUESTION) / cost.use.wall_s
        basis = f"from the newest retrain of {kind} with this base model on this machine"
        return Estimate(work / rate, cost.use.peak_rss_mb, basis)
    size = n_parameters or MEASURED_PARAMETERS
    has_bf16 = choose_bf16(params.training[kind].precision, gpu=False, where=f"training.{kind}.precision")
    rate = (_TOKENS_PER_S if has_bf16 else _TOKENS_PER_S_WITHOUT_BF16) * MEASURED_PARAMETERS / size
    memory_mb = _LIBRARIES_MB + size * _BYTES_PER_PARAMETER / 2**20
    basis = (
        f"roughly, by the model's {size / 1e6:.0f} M parameters on two processor cores "
        f"{'with' if has_bf16 else 'without'} bf16: no retrain of {kind} was measured on this machine; "
        "on a GPU it takes less"
    )
    return Estimate(_STARTUP_S + work / rate, memory_mb, basis)
