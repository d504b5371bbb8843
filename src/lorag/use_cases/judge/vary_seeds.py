"""The dependence of an adapter's figures on the training seed: the same training repeated with other seeds."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from lorag.digests import digest_of
from lorag.errors import WorkspaceError
from lorag.evaluation.bootstrap import Bootstrap
from lorag.evaluation.comparison import compare_answers
from lorag.evaluation.seeds import SeedResult, SeedsReport
from lorag.integrations.lora import LOOP_VERSION
from lorag.integrations.models.cache import file_sha256
from lorag.integrations.models.files import base_model_sha256
from lorag.knowledge.artifacts import read_chunks
from lorag.params import Params
from lorag.releases.adapter_shelf import WEIGHTS, adapter_sha256
from lorag.reports.page import Section
from lorag.reports.seeds_section import seeds_section
from lorag.strategies import AdapterKind
from lorag.use_cases.asking.answer_questions import ask_with
from lorag.use_cases.asking.artifacts import load_wanted
from lorag.use_cases.asking.question_set import load_question_set
from lorag.use_cases.judge.read_reports import read_report
from lorag.workspace import Workspace


def vary_seeds(kind: AdapterKind, n: int, workspace: Workspace, params: Params) -> SeedsReport:
    """Train with `n` seeds, of which the first is that of params, and ask each adapter the comparison's questions.

    The training set and the start are those of the pipeline; what is served does not change. An adapter that was
    already trained with the same seed and inputs is reused. Writes reports/seeds_<kind>.json; raises WorkspaceError if
    the adapter was never trained.
    """
    if not (workspace.adapter_folder(kind) / WEIGHTS).is_file():
        raise WorkspaceError(
            f"the {kind} adapter was never trained here", do=f"run `lorag retrain --adapter {kind}` first"
        )
    wanted = load_wanted(workspace)
    questions = load_question_set(wanted, workspace, params)
    chunks = {chunk.id: chunk for chunk in read_chunks(workspace.chunks_file)}
    bootstrap = Bootstrap(params.comparison.bootstrap_samples, params.comparison.confidence, params.comparison.seed)
    results = []
    for seed in _seeds(kind, n, params):
        folder = _train(kind, seed, workspace, params)
        rows = ask_with(kind.strategy, questions, wanted, folder, workspace, params)
        found = compare_answers({kind.value: rows}, chunks, params.evaluation.k, bootstrap)
        figures = {name: estimate.value for name, estimate in found.strategies[kind.value].items()}
        results.append(SeedResult(seed, adapter_sha256(folder), figures))
    training = json.loads((workspace.adapter_folder(kind) / "training.json").read_text(encoding="utf-8"))
    report = SeedsReport(kind.value, training["training_set_digest"], tuple(results))
    workspace.seeds_report(kind).write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    return report


def sections(workspace: Workspace) -> list[Section]:
    """Return the sections of a comparison's report on seeds; empty if no adapter of the pipeline was varied."""
    reports = _read_reports(workspace)
    return [seeds_section(reports)] if reports else []


def _read_reports(workspace: Workspace) -> list[SeedsReport]:
    found = []
    for kind in AdapterKind:
        report = read_report(workspace.seeds_report(kind), SeedsReport.from_json)
        if report is None or not (workspace.adapter_folder(kind) / WEIGHTS).is_file():
            continue
        if adapter_sha256(workspace.adapter_folder(kind)) in [result.sha256 for result in report.results]:
            found.append(report)
    return found


def _seeds(kind: AdapterKind, n: int, params: Params) -> Sequence[int]:
    first = params.training[kind].seed
    return range(first, first + n)


def _train(kind: AdapterKind, seed: int, workspace: Workspace, params: Params) -> Path:
    """Train with that seed and return the adapter's folder; for the seed of params it is the pipeline's own."""
    settings = params.training[kind]
    if seed == settings.seed:
        return workspace.adapter_folder(kind)
    own = Workspace(workspace.state / "seeds" / f"{kind}_{seed}")
    given = [
        (workspace.training_folder(kind), own.training_folder(kind)),
        (workspace.start_folder(kind), own.start_folder(kind)),
    ]
    files = sorted(path for folder, _ in given for path in folder.rglob("*.json*") if path.is_file())
    inputs = digest_of(
        [
            [file_sha256(path) for path in files],
            settings.model_dump(mode="json"),
            base_model_sha256(params.generation.model),
            LOOP_VERSION,
        ]
    )
    done = own.root / "trained_on"
    if done.is_file() and done.read_text(encoding="utf-8") == inputs:
        return own.adapter_folder(kind)
    done.unlink(missing_ok=True)
    for source, target in given:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    training = {**params.training, kind: settings.model_copy(update={"seed": seed})}
    # The report of a comparison reads seeds too, and needs no torch.
    from lorag.use_cases.retrain.train_adapter import train_adapter

    train_adapter(kind, own, params.model_copy(update={"training": training}))
    done.write_text(inputs, encoding="utf-8")
    return own.adapter_folder(kind)
