"""What updates cost that no run tells of yet, on disk, so that one that fails or is killed is paid for as well."""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
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
from lorag.integrations.mlflow.tracking import TrackingLocation, start_run
from lorag.params import Params
from lorag.strategies import AdapterKind
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)

_ENDED = 0
"""In place of the id of a process that has ended, once what its stages read was added."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The tokens that a training really read, and the sha256 of the adapter that it continued, None from scratch."""

    tokens: int
    start: str | None

    def write(self, path: Path) -> None:
        """Notes it where the update that pays for it looks; it is no result, so no output of a stage."""
        _replace(path, asdict(self))


def read_trained(workspace: Workspace, adapter: AdapterKind, since_s: float) -> Trained | None:
    """What was trained after `since_s`; None where nothing was, as where DVC's run cache had the adapter."""
    value = _read_since(workspace.trained_file(adapter), since_s)
    return Trained(**value) if value else None


@dataclass(frozen=True, slots=True)
class Note:
    """The cost of an update so far, in a file of its own, until a run tells it."""

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
        """The inverse of `write`; raises OSError, ValueError, KeyError or TypeError for what is none."""
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
        """Replaces the file at once."""
        _replace(self.path, asdict(self) | {"path": None, "cost": self.cost.to_json()})

    def entry(self) -> LedgerEntry:
        """The same as an entry of the ledger, with the name of the file in place of a run."""
        began = datetime.fromtimestamp(self.started_s, UTC).isoformat(timespec="seconds")
        strategy = self.adapter.strategy if self.adapter else None
        return LedgerEntry(
            self.kind, strategy, self.path.stem, None, began, self.cost, self.extent, outcome=self.outcome
        )


class UnloggedCosts:
    """The costs of one update, opened by the only writer; `settle` also logs what earlier ones left."""

    def __init__(self, workspace: Workspace, params: Params) -> None:
        self._workspace, self._params = workspace, params
        self._waiting = read_notes(workspace)
        self._own: list[Path] = []
        for left in self._waiting:
            # What the stages read is known until the next ones begin.
            left.write()

    @contextmanager
    def meter(self, kind: EntryKind, adapter: AdapterKind | None = None, *, gpus: int = 0) -> Iterator[CostMeter]:
        """A meter that notes what was used so far, as failed, or as refused where a gate said so, until `settle`."""
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

    def keep_ahead(self, kind: EntryKind, cost: Cost) -> None:
        """Has `settle` log what this update paid for another one that is still to come."""
        note = Note(self._new_file(kind), kind, None, time.time(), cost, Outcome.AHEAD)
        note.write()
        self._waiting.append(note)

    def settle(self, location: TrackingLocation) -> None:
        """Logs what was left by updates without a run of their own, oldest first, and forgets what this one metered.

        Where MLflow cannot be reached, what was left stays for the next update.
        """
        for path in self._own:
            path.unlink(missing_ok=True)
        try:
            for note in self._waiting:
                _log(note, self._params, location)
                note.path.unlink(missing_ok=True)
        except StoreFailed as error:
            logger.warning("what earlier updates cost is not logged yet: %s", error)

    def _new_file(self, kind: EntryKind) -> Path:
        return self._workspace.unlogged_costs / f"{kind}-{uuid4().hex[:12]}.json"


def read_notes(workspace: Workspace) -> list[Note]:
    """What was left by updates that have ended, oldest first; one that is under way will tell its own cost."""
    found = []
    for path in workspace.unlogged_costs.glob("*.json"):
        # One that another process settles meanwhile, or that was damaged, tells nothing.
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
    }
    with start_run(location, params.tracking.experiment, f"{note.kind} {note.outcome}", tags) as run:
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
    # Without a sync: what the machine's own crash loses here is no figure that anything is served by.
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value), encoding="utf-8")
    temporary.replace(path)
