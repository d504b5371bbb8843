"""The steps of a retrain in a workspace; each of them is a task of the flow."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lorag.costs.ledger import Extent, Outcome, extent_of_retrain
from lorag.costs.records import Cost
from lorag.digests import digest_of
from lorag.errors import GateRefused, IntegrityFailed, ParamsError
from lorag.evaluation.adapter_gate import Champion, judge_adapter
from lorag.evaluation.probes import Probe
from lorag.evaluation.refusal import SHOWN, Refusal, explain_refusals
from lorag.integrations.dvc import dvc_repo
from lorag.integrations.models.files import base_model_sha256
from lorag.params import Engine, Params, TrainingSetParams, TrainingStart
from lorag.releases.adapter_shelf import AdapterShelf, adapter_sha256
from lorag.releases.durable import write_json_durably
from lorag.releases.record import AdapterEntry, Release
from lorag.releases.shelf import ReleaseShelf
from lorag.releases.withdrawn import read_withdrawn
from lorag.strategies import AdapterKind
from lorag.tuning.forecast import Forecast
from lorag.use_cases.asking.check_questions import check_questions
from lorag.use_cases.asking.question_set import require_questions
from lorag.use_cases.asking.unlogged_costs import read_trained
from lorag.use_cases.asking.versions import MODELS, write_versions
from lorag.use_cases.retrain.coverage import coverage_of
from lorag.use_cases.retrain.evaluate_adapter import examine_champion, read_exam, read_exam_rows
from lorag.use_cases.retrain.forecast import facts_with_one_wording
from lorag.use_cases.retrain.last_look import write_look
from lorag.use_cases.retrain.publish_adapters import newest_release, publish_adapters
from lorag.use_cases.retrain.starting_adapter import LINEAGE, read_lineage, read_starts, write_starts
from lorag.workspace import Workspace

REPORT = "evaluation.json"
"""The evaluation of an adapter; kept beside it."""


@dataclass(frozen=True, slots=True)
class Reproduced:
    """The stages that ran for one adapter; `tokens_trained` is 0 if it was current or came from DVC's run cache."""

    stages: tuple[str, ...]
    tokens_trained: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What a release would record of an adapter, the verdict of its gate, and an explanation of what failed."""

    entry: AdapterEntry
    probes: tuple[Probe, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An adapter as DVC made it, with the verdict of its gate and its cost.

    `refusals` explain the failed probes; they are empty if none keeps it from being served.
    """

    kind: AdapterKind
    entry: AdapterEntry
    training: Mapping[str, Any]
    probes: tuple[Probe, ...]
    refusals: tuple[Refusal, ...]
    stages: tuple[str, ...]
    extent: Extent
    cost: Cost
    is_current: bool
    is_withdrawn: bool

    @property
    def failed(self) -> list[Probe]:
        """Return the failed probes, which keep it from being served; none for an adapter that was published before."""
        known = self.is_current or self.is_withdrawn
        return [] if known else [probe for probe in self.probes if not probe.passed]

    @property
    def publishable(self) -> bool:
        """Return whether it is new and passed; a retrain that makes a rolled-back adapter does not serve it again."""
        return not (self.is_current or self.is_withdrawn or self.failed)

    @property
    def outcome(self) -> Outcome:
        """How the retrain ended, as the ledger counts it."""
        if self.failed:
            return Outcome.REFUSED
        return Outcome.PUBLISHED if self.publishable else Outcome.CURRENT


@dataclass(frozen=True, slots=True)
class RetrainOutcome:
    """The result of a retrain; `published` is False if the newest release already has every adapter that passed.

    `forecasts` are those of the adapters that were to be trained; of all adapters if only a plan was wanted.
    """

    release: Release
    published: bool
    candidates: tuple[Candidate, ...]
    runs: Mapping[AdapterKind, str | None]
    forecasts: Mapping[AdapterKind, Forecast] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag retrain --json` prints; docs/json.md lists its keys."""
        return {
            "release": self.release.id,
            "generation": self.release.generation,
            "published": self.published,
            "adapters": {c.kind.value: self._adapter_to_json(c) for c in self.candidates},
            "forecasts": {kind.value: forecast.to_json() for kind, forecast in self.forecasts.items()},
        }

    def _adapter_to_json(self, candidate: Candidate) -> dict[str, Any]:
        return {
            "adapter": candidate.entry.id,
            "sha256": candidate.entry.sha256,
            "published": self.published and candidate.publishable,
            "passed": not candidate.failed,
            "withdrawn": candidate.is_withdrawn,
            "probes": {
                probe.name: {"value": probe.value, "limit": probe.limit, "passed": probe.passed}
                for probe in candidate.probes
            },
            "base_model_sha256": candidate.entry.base_model_sha256,
            "training_set_digest": candidate.entry.training_set_digest,
            "n_documents": len(candidate.entry.documents),
            "coverage": candidate.entry.coverage.to_json() if candidate.entry.coverage else None,
            "refusals": [refusal.to_json(SHOWN) for refusal in candidate.refusals],
            "stages": list(candidate.stages),
            "extent": candidate.extent.value,
            "mlflow_run_id": self.runs.get(candidate.kind),
            "cost": candidate.cost.to_json(),
        }


def choose_adapters(workspace: Workspace, params: Params, names: Sequence[str]) -> list[AdapterKind]:
    """Return the named ones of `tuning.adapters`, or all if none is named; raise if a retrain could not even begin."""
    if params.generation.engine is Engine.ENDPOINT:
        raise ParamsError(
            "an endpoint answers, and the weights behind it can be neither trained nor examined here",
            where="generation.engine",
            do="ask rag, which needs no training, or set it to auto to train generation.model on this machine",
        )
    newest_release(workspace)
    read_starts(workspace)
    check_questions(workspace, params)
    unknown = [name for name in names if name not in params.tuning.adapters]
    if unknown:
        known = ", ".join(params.tuning.adapters)
        raise ParamsError(
            f"no adapter {unknown[0]!r} is trained here", where="tuning.adapters", do=f"choose from {known}"
        )
    if not _trains_without_questions(params.training_set):
        require_questions(workspace, params, "train and examine an adapter with")
    return [kind for kind in params.tuning.adapters if not names or kind in names]


def _trains_without_questions(params: TrainingSetParams) -> bool:
    """Whether another source is switched on; the gate then says what it lacks, and `--anyway` trains all the same."""
    others = (params.text, params.summarisation, params.classification, params.extraction, params.style)
    return any(others) or params.synthetic_per_chunk > 0


def pin_start(kind: AdapterKind, workspace: Workspace, params: Params) -> None:
    """Pin the served adapter as the one to continue from, if the training set differs from the one it was trained on.

    Nothing changes if params train from scratch or if no adapter is served. Nor does it if the training set is the
    champion's own, because a retrain then has nothing to do. If the champion has another base model, the pin is
    removed, because no training can continue from it.
    """
    write_versions(workspace, params, fetch=MODELS)
    champion = served_adapter(kind, workspace)
    if params.training[kind].start is not TrainingStart.CHAMPION or champion is None:
        return
    if champion.base_model_sha256 != base_model_sha256(params.generation.model):
        write_starts(workspace, {**read_starts(workspace), kind: None})
        return
    dvc_repo.reproduce(workspace.root, [f"training_set@{kind}"])
    lineage = _read_json(workspace.training_folder(kind) / LINEAGE)
    if lineage["training_set_digest"] != champion.training_set_digest:
        starts = read_starts(workspace)
        if starts[kind] != champion.sha256:
            write_starts(workspace, {**starts, kind: champion.sha256})


def served_adapter(kind: AdapterKind, workspace: Workspace) -> AdapterEntry | None:
    """Return the champion: the adapter of that kind in the served release, or the newest if the pointer is damaged."""
    release = ReleaseShelf(workspace.state).in_use()
    return release.adapters.get(kind) if release else None


def reproduce(kind: AdapterKind, workspace: Workspace) -> Reproduced:
    """Run the stale stages of one adapter: its training set, the training, its evaluation."""
    begun_s = time.time()
    stages = dvc_repo.reproduce(workspace.root, [f"adapter_evaluation@{kind}"])
    trained = read_trained(workspace, kind, begun_s)
    return Reproduced(tuple(stages), trained.tokens if trained else 0)


def judge(kind: AdapterKind, workspace: Workspace, params: Params) -> Judged:
    """Return what a release would record of the adapter, and the verdict of its gate with an explanation.

    Raises IntegrityFailed if the adapter was trained on a base model other than the one that params name.
    """
    folder = workspace.adapter_folder(kind)
    training = _read_json(folder / "training.json")
    base = base_model_sha256(params.generation.model)
    if training["base_model_sha256"] != base:
        raise IntegrityFailed(
            f"the {kind} adapter was trained on another base model than {params.generation.model}",
            where=str(folder),
            do=f"run `dvc repro --force adapter@{kind}`",
        )
    lineage = _read_json(workspace.training_folder(kind) / LINEAGE)
    sha256 = adapter_sha256(folder)
    candidate, base_model, digests = read_exam(kind, workspace)
    champion = _examine_champion(kind, sha256, workspace, params)
    probes = tuple(judge_adapter(candidate, base_model, champion, digests, params.adapter_gate[kind]))
    entry = AdapterEntry(
        id=f"{kind}-{sha256[:10]}",
        sha256=sha256,
        base_model_sha256=base,
        training_set_digest=lineage["training_set_digest"],
        facts_digest=digest_of(lineage["facts"]),
        documents=lineage["documents"],
        gate={probe.name: probe.value for probe in probes},
        coverage=coverage_of(lineage, workspace, params),
    )
    if all(probe.passed for probe in probes):
        return Judged(entry, probes, ())
    rows, single = read_exam_rows(kind, workspace), facts_with_one_wording(workspace, params)
    return Judged(entry, probes, tuple(explain_refusals(kind, probes, rows, champion, digests, single)))


def _examine_champion(kind: AdapterKind, candidate: str, workspace: Workspace, params: Params) -> Champion | None:
    """Examine the served adapter; None if there is none, if it is the candidate, or if its base model differs."""
    champion = served_adapter(kind, workspace)
    if champion is None or champion.sha256 == candidate:
        return None
    if champion.base_model_sha256 != base_model_sha256(params.generation.model):
        return None
    folder = AdapterShelf(workspace.adapters).open(champion.sha256)
    lineage = read_lineage(folder)
    return examine_champion(kind, folder, lineage["facts"] if lineage else {}, workspace, params)


def present(
    kind: AdapterKind,
    judged: Judged,
    reproduced: Reproduced,
    workspace: Workspace,
    cost: Cost,
) -> Candidate:
    """Return the adapter as a candidate for the next release, and write its refusal to a file if its gate failed."""
    entry = judged.entry
    known = newest_release(workspace).adapters.get(kind)
    training = _read_json(workspace.adapter_folder(kind) / "training.json")
    is_current = known is not None and known.sha256 == entry.sha256
    extent = extent_of_retrain(reproduced.tokens_trained, training["start"])
    is_withdrawn = entry.sha256 in read_withdrawn(workspace.state)
    refusals = () if is_current or is_withdrawn else judged.refusals
    _keep_refusals(kind, entry, refusals, workspace)
    return Candidate(
        kind,
        entry,
        training,
        judged.probes,
        refusals,
        reproduced.stages,
        extent,
        cost,
        is_current,
        is_withdrawn,
    )


def _keep_refusals(kind: AdapterKind, entry: AdapterEntry, refusals: Sequence[Refusal], workspace: Workspace) -> None:
    path = workspace.refusal_file(kind)
    if not refusals:
        path.unlink(missing_ok=True)
        return
    value = {"adapter": entry.id, "sha256": entry.sha256, "refusals": [refusal.to_json() for refusal in refusals]}
    write_json_durably(path, value)


def publish(
    candidates: Sequence[Candidate], workspace: Workspace, params: Params, environment: Mapping[str, str]
) -> tuple[Release, bool]:
    """Serve the candidates that passed, in one release, and return whether that release is new.

    Without a new adapter the newest release stays. It is served again if a rollback had replaced it by an older index
    with the same adapters.
    """
    release, published = _publish(candidates, workspace, params, environment)
    for candidate in candidates:
        if candidate.is_current or (published and candidate.publishable):
            write_look(workspace, candidate.kind, candidate.entry.sha256)
    return release, published


def _publish(
    candidates: Sequence[Candidate], workspace: Workspace, params: Params, environment: Mapping[str, str]
) -> tuple[Release, bool]:
    shelf = AdapterShelf(workspace.adapters)
    for candidate in candidates:
        # This also restores an adapter that is already served and was damaged.
        if not candidate.failed and not candidate.is_withdrawn and not shelf.holds(candidate.entry.sha256):
            shelf.keep(adapter_files(candidate.kind, workspace))
    passed = [candidate for candidate in candidates if candidate.publishable]
    if passed:
        entries = {candidate.kind: candidate.entry for candidate in passed}
        base = passed[0].entry.base_model_sha256
        return publish_adapters(entries, base, workspace, params, environment), True
    releases, newest = ReleaseShelf(workspace.state), newest_release(workspace)
    served, in_use = releases.pointed_id(), releases.in_use()
    same_adapters = in_use is not None and in_use.adapters == newest.adapters
    if candidates and served != newest.id and same_adapters and all(one.is_current for one in candidates):
        releases.point_at(newest, expected_served=served)
    return newest, False


def adapter_files(kind: AdapterKind, workspace: Workspace) -> dict[str, Path]:
    """Return the files that are kept of an adapter: its own, the lineage of its training set, and its evaluation."""
    files = {path.name: path for path in sorted(workspace.adapter_folder(kind).iterdir()) if path.is_file()}
    return {
        **files,
        LINEAGE: workspace.training_folder(kind) / LINEAGE,
        REPORT: workspace.adapter_report(kind),
    }


def refuse_failed(outcome: RetrainOutcome) -> None:
    """Raise GateRefused with the probes that failed, if any; the message names the adapters that are still served."""
    failed = [candidate for candidate in outcome.candidates if candidate.failed]
    if not failed:
        return
    what = "; ".join(f"{c.kind}: {', '.join(refusal.line() for refusal in c.refusals)}" for c in failed)
    published = [candidate.kind.value for candidate in outcome.candidates if candidate.publishable]
    also = f" ({' and '.join(published)} passed and is served as {outcome.release.id})" if published else ""
    files = " and ".join(f"artifacts/refused_{candidate.kind}.json" for candidate in failed)
    do = list(dict.fromkeys(step for c in failed for refusal in c.refusals for step in refusal.do))
    raise GateRefused(
        f"{what}; the served adapter stays{also}",
        where="adapter_gate",
        do=f"{', '.join(do)}; `lorag ask QUESTION --strategy {failed[0].kind} --adapter candidate` asks it; all "
        f"questions are in {files}",
        more=[f"{c.kind} {line}" for c in failed for refusal in c.refusals for line in refusal.question_lines()],
        details={c.kind.value: [refusal.to_json(SHOWN) for refusal in c.refusals] for c in failed},
    )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise IntegrityFailed(f"unreadable: {error}", where=path.name, do="run `lorag retrain` again") from error
