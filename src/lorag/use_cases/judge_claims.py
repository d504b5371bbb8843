"""Claims, uses and the usual table, judged by the evidence of a workspace."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lorag.costs.ledger import Ledger
from lorag.errors import StoreFailed
from lorag.evaluation.claims import Judged, judge_claims
from lorag.evaluation.claims_sections import claims_section, classic_section, scenarios_section
from lorag.evaluation.classic_table import Aspect, fill_table
from lorag.evaluation.evidence import Evidence, Verdict
from lorag.evaluation.report_page import Section
from lorag.evaluation.scenarios import Scenario, judge_scenarios
from lorag.params import Params
from lorag.use_cases.read_evidence import entries_of, read_evidence
from lorag.use_cases.read_ledger import read_ledger
from lorag.use_cases.run_compare import CompareOutcome
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that the evidence says."""

    claims: tuple[Judged, ...]
    scenarios: tuple[Scenario, ...]
    aspects: tuple[Aspect, ...]

    @classmethod
    def on(cls, evidence: Evidence) -> "Judgement":
        """By every rule."""
        return cls(tuple(judge_claims(evidence)), tuple(judge_scenarios(evidence)), tuple(fill_table(evidence)))

    def sections(self) -> list[Section]:
        """For a report."""
        return [claims_section(self.claims), scenarios_section(self.scenarios), classic_section(self.aspects)]

    def to_json(self) -> dict[str, Any]:
        """The object that `lorag claims --json` prints; docs/json.md lists its keys."""
        verdicts = [each.verdict for each in self.claims]
        return {
            "counts": {verdict.value: verdicts.count(verdict) for verdict in Verdict},
            "claims": [each.to_json() for each in self.claims],
            "scenarios": [each.to_json() for each in self.scenarios],
            "table": [each.to_json() for each in self.aspects],
        }


def judge_workspace(
    workspace: Workspace, params: Params, environment: Mapping[str, str], walk: Path | None = None
) -> Judgement:
    """By what its commands wrote; `walk` is the folder of a walk, see `read_evidence`. Raises StoreFailed."""
    return Judgement.on(read_evidence(workspace, params, read_ledger(workspace, params, environment), walk))


def sections(
    outcome: CompareOutcome, workspace: Workspace, params: Params, environment: Mapping[str, str]
) -> list[Section]:
    """What the report of a comparison says of claims and uses, the comparison itself included.

    It is not in the ledger yet; where that cannot be read, nothing else of it is known.
    """
    try:
        ledger = read_ledger(workspace, params, environment)
    except StoreFailed as error:
        logger.warning("claims are judged without a ledger: %s", error)
        ledger = Ledger()
    joined = replace(ledger, entries=(*entries_of(outcome), *ledger.entries)).without_repeats()
    evidence = read_evidence(workspace, params, joined)
    return Judgement.on(replace(evidence, comparison=outcome.comparison)).sections()
