"""The costs of updates that no run records yet, on disk, so that failed and killed updates are counted too."""

import json
import logging
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import psutil

from lorag.costs.ledger import EntryKind, Extent, LedgerEntry, Outcome, extent_of_retrain
from lorag.costs.records import Cost
from lorag.errors import GateRefused, StoreFailed
from lorag.integrations.machine.cost_meter import CostMeter
from lorag.integrations.mlflow.ledger import machine_tag
from lorag.integrations.mlflow.tracking import Period, TrackingLocation, start_run
from lorag.params import Params
from lorag.releases.durable import open_new
from lorag.strategies import AdapterKind
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)

_ENDED = 0
"""The value that replaces the id of an ended process, once the tokens that its stages read were added."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The tokens that a training really read, and the sha256 of the adapter that it continued; None from scratch."""

    tokens: int
    start: str | None

    def write(self, path: Path) -> None:
        """Write it to a file for the update that counts its cost; it is not a result, so it is not a stage's output."""
        _replace(path, asdict(self))


def read_trained(workspace: Workspace, adapter: AdapterKind, since_s: float) -> Trained | None:
    """Return what was trained after `since_s`; None if nothing was, as when DVC's run cache had the adapter."""
    value = _read_since(workspace.trained_file(adapter), since_s)
    return Trained(**value) if value else None


@dataclass(frozen=True, slots=True)
class Note:
    """The cost of an update so far, in its own file, until a run records it."""

    path: Path
    kind: EntryKind
    adapter: AdapterKind | None
    started_s: float
    cost: Cost
    outcome: Outcome = Outcome.FAILED
    extent: Extent | None = None
    pid: int = _ENDED

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what `write` wrote; raise OSError, ValueError, KeyError or TypeError for any other file."""
        value = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            path,
            EntryKind(value["kind"]),
            AdapterKind(value["adapter"]) if value["adapter"] else None,
            float(value["started_s"]),
            Cost.from_json(value["cost"]),
            Outcome(value["outcome"]),
            Extent(value["extent"]) if value["extent"] else None,
            int(value["pid"]),
        )

    def write(self) -> None:
        """Replace the file atomically."""
        _replace(self.path, asdict(self) | {"path": None, "cost": self.cost.to_json()})

    def entry(self) -> LedgerEntry:
        """Return the note as an entry of the ledger, with the file's name in place of a run."""
        began = datetime.fromtimestamp(self.started_s, UTC).isoformat(timespec="seconds")
        strategy = self.adapter.strategy if self.adapter else None
        return LedgerEntry(
            self.kind, strategy, self.path.stem, None, began, self.cost, self.extent, outcome=self.outcome
        )


class UnloggedCosts:
    """The costs of one update, opened by the only writer; `settle` also logs those that earlier updates left."""

    def __init__(self, workspace: Workspace, params: Params) -> None:
        self._workspace, self._params = workspace, params
        self._waiting = read_notes(workspace)
        self._own: list[Path] = []
        for left in self._waiting:
            # The tokens that the stages read are only known until the next stages begin.
            left.write()

    @contextmanager
    def meter(
        self, kind: EntryKind, adapter: AdapterKind | None = None, *, gpus: int = 0, is_part: bool = False
    ) -> Iterator[CostMeter]:
        """Yield a meter that records the use so far as failed, or as refused if a gate refused, until `settle`.

        With `is_part` the record lasts only until the work is done, because the caller adds its cost to another one.
        """
        path, started_s = self._new_file(kind), time.time()
        self._own.append(path)

        def note(cost: Cost, outcome: Outcome = Outcome.FAILED) -> None:
            Note(path, kind, adapter, started_s, cost, outcome, pid=os.getpid()).write()

        meter = CostMeter(self._params.costs, gpus=gpus, note=note)
        try:
            with meter:
                yield meter
        except BaseException as error:
            note(meter.stop(), Outcome.REFUSED if isinstance(error, GateRefused) else Outcome.FAILED)
            raise
        note(meter.stop())
        if is_part:
            path.unlink(missing_ok=True)

    def keep_ahead(self, kind: EntryKind, cost: Cost) -> None:
        """Let `settle` log the cost of work that this update did for a later one."""
        note = Note(self._new_file(kind), kind, None, time.time(), cost, Outcome.AHEAD)
        note.write()
        self._waiting.append(note)

    def end(self, outcome: Outcome, extent: Extent | None = None, adapter: AdapterKind | None = None) -> None:
        """Record how this update ended, in case that it cannot be logged any more."""
        for note in self._own_notes():
            if note.adapter == adapter:
                replace(note, outcome=outcome, extent=extent, pid=_ENDED).write()

    def settle(self, location: TrackingLocation, unlogged: Collection[AdapterKind | None] = ()) -> None:
        """Log the costs of updates without their own run, oldest first, and forget what this update metered.

        What it metered is kept for the next update if it belongs to one of `unlogged`: these could not be logged. If
        MLflow cannot be reached, all costs are left for the next update.
        """
        for note in self._own_notes():
            if note.adapter not in unlogged:
                note.path.unlink(missing_ok=True)
        try:
            for note in self._waiting:
                _log(note, self._params, location)
                note.path.unlink(missing_ok=True)
        except StoreFailed as error:
            logger.warning("the costs of earlier updates are not logged yet: %s", error)

    def _own_notes(self) -> list[Note]:
        return [note for note in read_notes(self._workspace) if note.path in self._own]

    def _new_file(self, kind: EntryKind) -> Path:
        return self._workspace.unlogged_costs / f"{kind}-{uuid4().hex[:12]}.json"


def read_notes(workspace: Workspace) -> list[Note]:
    """Return the notes of updates that have ended, oldest first; a running update will record its own cost."""
    found = []
    for path in workspace.unlogged_costs.glob("*.json"):
        # A note that is damaged, or that another process has settled meanwhile, is skipped.
        with suppress(OSError, ValueError, KeyError, TypeError):
            note = Note.read(path)
            if note.pid == os.getpid() or not psutil.pid_exists(note.pid):
                found.append(_with_tokens(note, workspace))
    return sorted(found, key=lambda note: note.started_s)


def _with_tokens(note: Note, workspace: Workspace) -> Note:
    if note.pid == _ENDED:
        return note
    use, extent = note.cost.use, note.extent
    if note.adapter is not None:
        if trained := read_trained(workspace, note.adapter, note.started_s):
            use = replace(use, tokens_trained=trained.tokens)
            extent = extent_of_retrain(trained.tokens, trained.start)
    elif counts := _read_since(workspace.embedding_counts_file, note.started_s):
        use = replace(use, tokens_embedded=int(counts["n_tokens"]))
    return replace(note, cost=replace(note.cost, use=use), extent=extent, pid=_ENDED)


def _log(note: Note, params: Params, location: TrackingLocation) -> None:
    tags = {
        "lorag.kind": note.kind.value,
        "lorag.adapter": note.adapter or "",
        "lorag.outcome": note.outcome.value,
        "lorag.extent": note.extent or "",
        **machine_tag(note.cost),
    }
    took_s = note.cost.use.wall_s
    period = Period(took_s, note.started_s + took_s)
    with start_run(location, params.tracking.experiment, f"{note.kind} {note.outcome}", tags, period) as run:
        run.log_params(params.model_dump(mode="json"))
        run.log_metrics(note.cost.as_metrics())


def _read_since(path: Path, since_s: float) -> dict[str, Any] | None:
    try:
        if path.stat().st_mtime < since_s:
            return None
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return value


def _replace(path: Path, value: Mapping[str, Any]) -> None:
    # No sync: nothing served depends on the figures that a crash of the machine would lose here.
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with open_new(temporary) as file:
        file.write(json.dumps(value).encode())
    temporary.replace(path)
