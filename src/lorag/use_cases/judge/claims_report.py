"""The sections of a comparison's report on costs, claims, uses and the usual table."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lorag.costs.ledger import EntryKind, Ledger, LedgerEntry
from lorag.costs.plan import Plan
from lorag.errors import StoreFailed
from lorag.params import Params
from lorag.reports.claims_sections import claims_section, classic_section, scenarios_section
from lorag.reports.costs_sections import break_even_section, ledger_section
from lorag.reports.page import Section
from lorag.reports.plan_section import plan_section
from lorag.use_cases.compare.steps import CompareOutcome
from lorag.use_cases.judge.judge_claims import Judgement
from lorag.use_cases.judge.plan_policies import middle_load, plan_for
from lorag.use_cases.judge.read_curves import curves_of
from lorag.use_cases.judge.read_evidence import read_evidence
from lorag.use_cases.judge.read_ledger import read_ledger
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ComparisonJudged:
    """The sections on costs, claims and uses, and the plan in them; None without a walk of this model."""

    sections: list[Section]
    plan: Plan | None


def judge_comparison(
    outcome: CompareOutcome, workspace: Workspace, params: Params, environment: Mapping[str, str]
) -> ComparisonJudged:
    """Judge by all figures, with the costs of the comparison itself; the plan is for the load of the chart's middle.

    The comparison is not in the ledger yet. If the ledger cannot be read, only the comparison's costs are known.
    """
    try:
        ledger = read_ledger(workspace, params, environment)
    except StoreFailed as error:
        logger.warning("costs and claims are reported without a ledger: %s", error)
        ledger = Ledger()
    joined = replace(ledger, entries=(*_entries(outcome), *ledger.entries)).without_repeats()
    evidence = read_evidence(workspace, params, joined)
    costs = [ledger_section(evidence.ledger)]
    if evidence.break_even is not None:
        costs.insert(0, break_even_section(evidence.break_even))
    plan = None
    if curves := curves_of(evidence.timeline, outcome.comparison, params):
        plan = plan_for(middle_load(params), evidence.measured, curves, params)
        costs.insert(0, plan_section(plan))
    judged = judged_sections(Judgement.on(replace(evidence, comparison=outcome.comparison)))
    return ComparisonJudged([*costs, *judged], plan)


def judged_sections(judgement: Judgement) -> list[Section]:
    """Return a section for each table."""
    return [
        claims_section(judgement.claims),
        scenarios_section(judgement.scenarios),
        classic_section(judgement.aspects),
    ]


def _entries(outcome: CompareOutcome) -> list[LedgerEntry]:
    """Return the entries that a comparison adds to the ledger before it is logged."""
    found = []
    for strategy in outcome.chosen.strategies:
        speed, batch = outcome.time(strategy).speed, outcome.batch(strategy)
        if (measured := speed or batch) is None:
            continue
        figures = outcome.comparison.strategies[strategy]
        found.append(
            LedgerEntry(
                EntryKind.ANSWERS,
                strategy,
                "",
                outcome.chosen.release.id,
                "",
                measured.cost,
                n_queries=len(speed.timings) if speed else batch.n_queries if batch else 0,
                source=outcome.cost_source(strategy),
                quality={name: each.value for name, each in figures.items()},
                speed=speed.figures() if speed else {},
            )
        )
    return found
