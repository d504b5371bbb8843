"""The costs of what the service answered, on disk, so that the ledger has every answer and stays small."""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from lorag.costs.records import Cost
from lorag.costs.served import ServedAnswers, add_up
from lorag.digests import digest_of
from lorag.params import Params
from lorag.strategies import Strategy
from lorag.use_cases.serve.query_log import append_line, read_lines
from lorag.workspace import Workspace

_LINES = 1_000
"""The lines after which they are added up: one for each day, release, strategy and settings is left."""


def settings_of(params: Params) -> str:
    """Return a digest of the params that the cost of an answer depends on."""
    sections = (params.generation, params.answering, params.search)
    return digest_of([*(section.model_dump(mode="json") for section in sections), params.embedding.model])


def read_served(workspace: Workspace) -> list[ServedAnswers]:
    """Return the costs by day, release, strategy and settings; a damaged line is left out."""
    return add_up(_read(workspace.answer_costs_file))


@dataclass(slots=True)
class AnswerCosts:
    """The file of a workspace; threads and processes may share it.

    An answer adds a line, without any text of question or answer. From time to time the lines are added up.
    """

    workspace: Workspace
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _n_added: int = _LINES
    """The lines since they were added up; the first answer of a process does it, for those of earlier ones."""

    def add(self, strategy: Strategy, release: str, settings: str, cost: Cost) -> None:
        """Add the cost of an answer that was given now."""
        path = self.workspace.answer_costs_file
        answered = ServedAnswers(datetime.now(UTC).date().isoformat(), release, strategy, settings, 1, cost)
        path.parent.mkdir(parents=True, exist_ok=True)
        # A line that another process adds meanwhile would be lost with the file that is replaced.
        with self._lock, FileLock(path.with_suffix(".lock")):
            append_line(path, answered.to_json())
            self._n_added += 1
            if self._n_added > _LINES:
                _add_up(path)
                self._n_added = 0


def _read(path: Path) -> list[ServedAnswers]:
    found = []
    for value in read_lines(path):
        try:
            found.append(ServedAnswers.from_json(value))
        except (KeyError, TypeError, ValueError):
            continue
    return found


def _add_up(path: Path) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    for answers in add_up(_read(path)):
        append_line(temporary, answers.to_json())
    temporary.replace(path)
