"""The evidence of a workspace: the reports that other commands wrote, its ledger and its pipeline."""

from dataclasses import replace
from pathlib import Path

from ruamel.yaml import YAML

from lorag.costs.break_even import find_break_even, policy_lines
from lorag.costs.ledger import Ledger
from lorag.costs.policies import candidates
from lorag.costs.unit_costs import Unit, measure
from lorag.evaluation.comparison import Comparison
from lorag.findings.evidence import Evidence
from lorag.findings.pipeline_needs import count_stages
from lorag.params import Params
from lorag.use_cases.judge.read_curves import curves_of
from lorag.use_cases.judge.read_reports import find_timeline, read_report
from lorag.use_cases.judge.weigh_costs import stored_bytes
from lorag.workspace import Workspace


def read_evidence(workspace: Workspace, params: Params, ledger: Ledger, walk: Path | None = None) -> Evidence:
    """Return what was measured, at current prices, with costs from the newest machine alone.

    `walk` is the folder of a walk. None means the last one over all facts, otherwise the default one, otherwise the one
    that the workspace belongs to. Raises ParamsError if `walk` holds none, and IntegrityFailed for a damaged report.
    """
    costs = params.costs
    repriced = ledger.on_newest_machine().repriced(costs)
    measured = tuple(measure(repriced, stored_bytes(workspace, params)))
    comparison = read_report(workspace.reports / "comparison.json", Comparison.from_json)
    timeline = find_timeline(workspace, walk)
    curves, share = curves_of(timeline, comparison, params), params.advice.plan_share
    lines = policy_lines(candidates(measured, curves, share, Unit.MONEY, costs.prices))
    broken_even = find_break_even(measured, Unit.MONEY, costs.currency, costs.prices, params.break_even)
    return Evidence(
        comparison=comparison,
        timeline=timeline,
        ledger=repriced,
        measured=measured,
        break_even=replace(broken_even, policies=lines),
        stages=count_stages(YAML(typ="safe", pure=True).load(workspace.root / "dvc.yaml")),
        corpus_tokens=read_report(workspace.reports / "index.json", lambda value: int(value["n_tokens"])),
        context_tokens=params.generation.max_context_tokens,
    )
