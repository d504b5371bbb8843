"""The file of what answers cost: small, whole after a kill, and shared by threads and processes."""

import multiprocessing
import threading
from pathlib import Path

import pytest

from lorag.costs.records import Cost, Use
from lorag.strategies import Strategy
from lorag.use_cases.serve import answer_costs
from lorag.use_cases.serve.answer_costs import AnswerCosts, read_served
from lorag.workspace import Workspace

COST = Cost(Use(wall_s=0.5, cpu_s=1.0), 0.01, "EUR")


def answer(root: Path, n: int) -> None:
    costs = AnswerCosts(Workspace(root))
    for _ in range(n):
        costs.add(Strategy.RAG, "000001-a", "settings", COST)


def test_threads_and_processes_lose_no_answer_and_the_file_stays_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_costs, "_LINES", 20)
    processes = [multiprocessing.get_context("fork").Process(target=answer, args=(tmp_path, 100)) for _ in range(2)]
    threads = [threading.Thread(target=answer, args=(tmp_path, 100)) for _ in range(2)]
    for worker in [*processes, *threads]:
        worker.start()
    for worker in [*processes, *threads]:
        worker.join()
    path = Workspace(tmp_path).answer_costs_file
    assert len(path.read_text().splitlines()) < 4 * 22 and path.stat().st_mode & 0o077 == 0
    # Half a line, as a killed process leaves it.
    with path.open("a") as file:
        file.write('{"day": "2030-01-')
    answer(tmp_path, 1)
    (read,) = read_served(Workspace(tmp_path))
    assert (read.n, read.cost.use.cpu_s, read.cost.money) == (401, pytest.approx(401.0), pytest.approx(4.01))


def test_what_was_answered_by_another_release_or_strategy_stays_apart(tmp_path: Path) -> None:
    costs = AnswerCosts(Workspace(tmp_path))
    for strategy, release in ((Strategy.RAG, "a"), (Strategy.HYBRID, "a"), (Strategy.RAG, "b"), (Strategy.RAG, "a")):
        costs.add(strategy, release, "settings", COST)
    assert sorted((each.strategy.value, each.release, each.n) for each in read_served(Workspace(tmp_path))) == [
        ("hybrid", "a", 1),
        ("rag", "a", 2),
        ("rag", "b", 1),
    ]
