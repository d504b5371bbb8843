"""Figures with the run that they are from, and the findings that they support."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from lorag.costs.ledger import LedgerEntry
from lorag.costs.unit_costs import Measured

SECONDS_A_MINUTE = 60
SECONDS_AN_HOUR = 3600
SECONDS_A_DAY = 86_400


class Stance(StrEnum):
    """The direction in which a finding counts for its strategy."""

    FOR = "for"
    AGAINST = "against"
    RULES_OUT = "rules_out"


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value and its run; for a median over `n_runs`, the run whose value is nearest to it."""

    value: float
    run_id: str
    n_runs: int = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence with its figure and run, which are None if it follows from how the strategy works."""

    stance: Stance
    sentence: str
    figure: float | None = None
    run_id: str | None = None

    @classmethod
    def on(cls, figure: Figure, stance: Stance, sentence: str) -> "Finding":
        """Make a finding with the figure that its sentence gives."""
        return cls(stance, sentence, figure.value, figure.run_id)


def middle(entries: Sequence[LedgerEntry], value: Callable[[LedgerEntry], float]) -> Figure | None:
    """Return the median over the entries; None if there are none."""
    if not entries:
        return None
    found = median(value(entry) for entry in entries)
    nearest = min(entries, key=lambda entry: abs(value(entry) - found))
    return Figure(found, nearest.run_id, len(entries))


def newest_quality(measured: Measured, name: str) -> Figure | None:
    """Return a quality figure of the newest batch of answers that has it; None if no batch has it."""
    found = ((entry.quality or {}, entry.run_id) for entry in measured.answers)
    return next((Figure(values[name], run_id) for values, run_id in found if name in values), None)


def newest_speed(measured: Measured, name: str) -> Figure | None:
    """Return a speed figure of the newest batch of answers that has it; None if no batch has it."""
    found = ((entry.speed or {}, entry.run_id) for entry in measured.answers)
    return next((Figure(values[name], run_id) for values, run_id in found if name in values), None)


def time_to_fresh(measured: Measured) -> Figure | None:
    """Return the median time from a change to the first right answer; None if it was not measured."""
    if not measured.fresh:
        return None
    found = median(one.seconds for one in measured.fresh)
    nearest = min(measured.fresh, key=lambda one: abs(one.seconds - found))
    return Figure(found, nearest.run_id, len(measured.fresh))


def update_seconds(measured: Measured) -> Figure | None:
    """Return the wall time of an update, its parts one after another; None if a part was not measured."""
    parts = [middle(entries, lambda entry: entry.cost.use.wall_s) for entries in measured.updates]
    known = [part for part in parts if part is not None]
    if not parts or len(known) < len(parts):
        return None
    longest = max(known, key=lambda part: part.value)
    return Figure(sum(part.value for part in known), longest.run_id, min(part.n_runs for part in known))


def show_seconds(seconds: float) -> str:
    """Format a duration in the unit that reads best."""
    if seconds < 2 * SECONDS_A_MINUTE:
        return f"{seconds:.3g} s"
    if seconds < 2 * SECONDS_AN_HOUR:
        return f"{seconds / SECONDS_A_MINUTE:.3g} min"
    return f"{seconds / SECONDS_AN_HOUR:.3g} h"
