"""The usual table of retrieval against fine-tuning, with a measured figure in each cell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lorag.costs.evidence import newest_speed, update_seconds
from lorag.costs.ledger import Extent, LedgerEntry
from lorag.costs.unit_costs import Band, updates_of
from lorag.findings.evidence import Evidence
from lorag.strategies import Strategy

NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Cell:
    """The text to show, and its number; None if it was not measured or does not apply."""

    text: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Aspect:
    """A row: a cell for each strategy, and the command that measures the missing ones."""

    name: str
    unit: str
    cells: Mapping[Strategy, Cell]
    do: str

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        cells = {name: {"text": cell.text, "value": cell.value} for name, cell in self.cells.items()}
        return {"name": self.name, "unit": self.unit, "cells": cells, "do": self.do}


def fill_table(evidence: Evidence) -> list[Aspect]:
    """Return every aspect of all four strategies."""
    return [
        Aspect(name, unit, {strategy: cell(evidence, strategy) for strategy in Strategy}, do)
        for name, unit, cell, do in _ASPECTS
    ]


def _stages(evidence: Evidence, strategy: Strategy) -> Cell:
    return _number(evidence.stages.get(strategy), ".0f")


def _components(evidence: Evidence, strategy: Strategy) -> Cell:
    parts = strategy.profile.components
    return Cell(f"{len(parts)}: {', '.join(parts)}", len(parts))


def _first_answer(evidence: Evidence, strategy: Strategy) -> Cell:
    builds = _first_builds(evidence, strategy)
    if not strategy.profile.updates:
        return Cell("at once", 0.0)
    return _number(None if builds is None else sum(entry.cost.use.wall_s for entry in builds), ".3g")


def _quick(name: str) -> Callable[[Evidence, Strategy], Cell]:
    def cell(evidence: Evidence, strategy: Strategy) -> Cell:
        measured = evidence.of(strategy)
        found = newest_speed(measured, name) if measured else None
        return _number(found.value if found else None, ".2f")

    return cell


def _update(evidence: Evidence, strategy: Strategy) -> Cell:
    if not updates_of(strategy):
        return Cell("takes no update")
    measured = evidence.of(strategy)
    found = update_seconds(measured) if measured else None
    return _number(found.value if found else None, ".3g")


def _knowledge(evidence: Evidence, strategy: Strategy) -> Cell:
    found = evidence.figure(strategy, "accuracy")
    return Cell(f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]", found.value) if found else Cell(NOT_MEASURED)


def _initial(evidence: Evidence, strategy: Strategy) -> Cell:
    builds = _first_builds(evidence, strategy)
    if builds is None:
        return Cell(NOT_MEASURED)
    return _money([Band.of([entry.cost.money]) for entry in builds], {entry.cost.currency for entry in builds})


def _maintenance(evidence: Evidence, strategy: Strategy) -> Cell:
    measured = evidence.of(strategy)
    if not updates_of(strategy):
        return Cell("takes no update")
    if measured is None or not all(measured.updates):
        return Cell(NOT_MEASURED)
    bands = [Band.of(entry.cost.money for entry in entries) for entries in measured.updates]
    return _money(bands, {entry.cost.currency for entries in measured.updates for entry in entries})


def _first_builds(evidence: Evidence, strategy: Strategy) -> list[LedgerEntry] | None:
    """Return the oldest full build of each part; None if one is missing."""
    found = []
    for kind, adapter in updates_of(strategy):
        # Entries come newest first.
        builds = [entry for entry in evidence.ledger.updates(kind, adapter) if entry.extent is Extent.FULL]
        if not builds:
            return None
        found.append(builds[-1])
    return found


def _money(bands: list[Band], currencies: set[str]) -> Cell:
    if not bands:
        return Cell("nothing", 0.0)
    if len(currencies) > 1:
        return Cell(f"paid in {' and '.join(sorted(currencies))}")
    value = sum(band.median for band in bands)
    return Cell(f"{value:.3g} {currencies.pop()}", value)


def _number(value: float | None, form: str) -> Cell:
    return Cell(NOT_MEASURED) if value is None else Cell(f"{value:{form}}", value)


_REFRESH_AND_RETRAIN = "lorag refresh into an empty workspace, then lorag retrain"
_CHANGE = "change a document, then lorag refresh and lorag retrain"

_ASPECTS: tuple[tuple[str, str, Callable[[Evidence, Strategy], Cell], str], ...] = (
    ("Set-up: stages of the pipeline", "", _stages, "lorag init"),
    ("Set-up: components", "", _components, ""),
    ("Set-up: time to the first answer", "s", _first_answer, _REFRESH_AND_RETRAIN),
    ("Inference speed, p50", "s", _quick("p50_s"), "lorag compare"),
    ("Inference speed, p95", "s", _quick("p95_s"), "lorag compare"),
    ("Update flexibility: time of an update", "s", _update, _CHANGE),
    ("Knowledge specificity: accuracy on facts", "share", _knowledge, "lorag compare"),
    ("Initial cost", "", _initial, _REFRESH_AND_RETRAIN),
    ("Maintenance cost of an update", "", _maintenance, _CHANGE),
)
