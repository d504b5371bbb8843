"""The evidence of a workspace: the reports that other commands wrote, its ledger and its pipeline."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML

from lorag.costs.break_even import find_break_even
from lorag.costs.ledger import Ledger
from lorag.costs.unit_costs import Unit, measure
from lorag.errors import IntegrityFailed, ParamsError
from lorag.evaluation.comparison import Comparison
from lorag.evaluation.timeline_records import NAME, Timeline
from lorag.findings.evidence import Evidence
from lorag.findings.pipeline_needs import count_stages
from lorag.params import Params
from lorag.use_cases.judge.weigh_costs import stored_bytes
from lorag.workspace import Workspace

Read = TypeVar("Read")

WALK = Path("build/timeline")
"""Where `lorag timeline` keeps a walk."""


def read_evidence(workspace: Workspace, params: Params, ledger: Ledger, walk: Path | None = None) -> Evidence:
    """What was measured, at the prices of today.

    `walk` is the folder of a walk; None for the last one over all facts, or else the default one, or else the one that
    the workspace belongs to. Raises ParamsError where `walk` holds none, and IntegrityFailed for a damaged report.
    """
    costs = params.costs
    repriced = ledger.repriced(costs)
    measured = tuple(measure(repriced, stored_bytes(workspace, params)))
    return Evidence(
        comparison=read_report(workspace.reports / "comparison.json", Comparison.from_json),
        timeline=find_timeline(workspace, walk),
        ledger=repriced,
        measured=measured,
        break_even=find_break_even(measured, Unit.MONEY, costs.currency, costs.prices, params.break_even),
        stages=count_stages(YAML(typ="safe", pure=True).load(workspace.root / "dvc.yaml")),
        corpus_tokens=read_report(workspace.reports / "index.json", lambda value: int(value["n_tokens"])),
        context_tokens=params.generation.max_context_tokens,
    )


def find_timeline(workspace: Workspace, walk: Path | None = None) -> Timeline | None:
    """The walk in the folder `walk`; None for the last one over all facts, and where there was none yet."""
    if walk is not None:
        found = read_report(walk / "reports" / NAME, Timeline.from_json)
        if found is None:
            raise ParamsError("no walk was finished there", where=str(walk), do=f"run `lorag timeline --into {walk}`")
        return found
    # The workspace of a walk lies in the walk's folder, beside its reports.
    own = [workspace.root.parent / "reports"] if workspace.root.name == "workspace" else []
    places = [workspace.reports, workspace.root / WALK / "reports", *own]
    return next((found for place in places if (found := read_report(place / NAME, Timeline.from_json))), None)


def read_report(path: Path, read: Callable[[Any], Read]) -> Read | None:
    """What `read` makes of a report; None where there is none. Raises IntegrityFailed for a damaged one."""
    try:
        return read(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityFailed(
            f"damaged report: {error!r}", where=f"{path.parent.name}/{path.name}", do="delete it, or make it again"
        ) from error
