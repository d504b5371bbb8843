"""The claims, uses and the usual table, judged by the evidence of a workspace."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorag.evaluation.rule_error import RULE_ERROR
from lorag.findings.claims import Judged, judge_claims
from lorag.findings.classic_table import Aspect, fill_table
from lorag.findings.evidence import Evidence, Verdict
from lorag.findings.uses import Scenario, judge_scenarios
from lorag.params import Params
from lorag.use_cases.judge.read_evidence import read_evidence
from lorag.use_cases.judge.read_ledger import read_ledger
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Judgement:
    """The judgement of all claims, uses and table cells by the evidence."""

    claims: tuple[Judged, ...]
    scenarios: tuple[Scenario, ...]
    aspects: tuple[Aspect, ...]

    @classmethod
    def on(cls, evidence: Evidence) -> "Judgement":
        """Judge the evidence by every rule."""
        return cls(tuple(judge_claims(evidence)), tuple(judge_scenarios(evidence)), tuple(fill_table(evidence)))

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag claims --json` prints; docs/json.md lists its keys."""
        verdicts = [each.verdict for each in self.claims]
        return {
            "measure": RULE_ERROR.to_json(),
            "counts": {verdict.value: verdicts.count(verdict) for verdict in Verdict},
            "claims": [each.to_json() for each in self.claims],
            "scenarios": [each.to_json() for each in self.scenarios],
            "table": [each.to_json() for each in self.aspects],
        }


def judge_workspace(
    workspace: Workspace, params: Params, environment: Mapping[str, str], walk: Path | None = None
) -> Judgement:
    """Judge by the workspace's reports; `walk` is the folder of a walk, see `read_evidence`. Raises StoreFailed."""
    return Judgement.on(read_evidence(workspace, params, read_ledger(workspace, params, environment), walk))
