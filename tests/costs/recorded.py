"""The recorded walks of docs/reports, with the ledger that they left."""

import json
from pathlib import Path

from lorag.costs.ledger import Ledger, LedgerEntry
from lorag.evaluation.comparison import Comparison
from lorag.evaluation.timeline_records import Timeline
from lorag.evaluation.walk_ledger import updates_of_walk

REPORTS = Path(__file__).parents[2] / "docs" / "reports"


def recorded_timeline(walk: str) -> Timeline:
    """The timeline of `sample` or `wikipedia`."""
    return Timeline.from_json(json.loads((REPORTS / walk / "timeline.json").read_text()))


def recorded_comparison(walk: str) -> Comparison:
    """The comparison at the last version of the walk."""
    return Comparison.from_json(json.loads((REPORTS / walk / "comparison.json").read_text()))


def recorded_ledger(walk: str) -> Ledger:
    """The refreshes and retrains of the walk, and of the sample the answers too; those of Wikipedia were not kept."""
    timeline = recorded_timeline(walk)
    answers: list[LedgerEntry] = []
    if walk == "sample":
        costs = json.loads((REPORTS / walk / "costs.json").read_text())
        answers = [LedgerEntry.from_json(value) for value in costs["entries"] if value["kind"] == "answers"]
    return Ledger((*reversed(answers), *updates_of_walk(timeline)), fresh=timeline.times_to_fresh())
