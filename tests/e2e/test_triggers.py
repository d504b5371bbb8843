"""One thing follows from another with nobody there: a change, a refresh, a retrain, a comparison, a clean-up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.machine import Machine, machine_at, wait_until
from tests.e2e.test_retrain import edit, shrink, write_knowledge
from tests.tiny import make_tiny_model

pytestmark = [pytest.mark.full, pytest.mark.slow, pytest.mark.timeout(2400)]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A workspace with an adapter, whose source is looked at every second."""
    write_knowledge(tmp_path, {})
    with machine_at(tmp_path, {}, 16_200) as machine:
        machine.run("lorag init handbook --source docs --questions questions.jsonl")
        shrink(machine.workspace, make_tiny_model(tmp_path / "model"))
        for old, new in (
            ("latency_questions: 12", "latency_questions: 2"),
            ("bootstrap_samples: 1000", "bootstrap_samples: 100"),
            ("retain_generations: 5", "retain_generations: 1"),
            ("poll_s: null", "poll_s: 1.0"),
            ('refresh: "0 * * * *"', "refresh: null"),
            ('clean_up: "30 4 * * *"', "clean_up: 60"),
        ):
            edit(machine.workspace, old, new)
        machine.run("lorag refresh")
        machine.run("lorag retrain")
        yield machine


def served_release(machine: Machine) -> dict[str, Any]:
    found = machine.json("lorag releases")
    return next(release for release in found["releases"] if release["served"])


def test_a_change_is_refreshed_retrained_compared_and_cleaned_up(machine: Machine, tmp_path: Path) -> None:
    before = served_release(machine)
    machine.run("lorag up")
    # The one that was typed is among them.
    assert len(machine.completed("retrain_adapter")) == 1

    write_knowledge(tmp_path, {pier: f"{pier + 5}:45" for pier in range(1, 7)})
    waited = wait_until(lambda: len(machine.completed("retrain_adapter")) > 1, "a retrain that a change asked for")
    print(f"retrained {waited:.1f} s after the change")
    after = served_release(machine)
    assert after["adapters"]["tuned"] != before["adapters"]["tuned"]
    assert after["content_digest"] != before["content_digest"]

    def compared() -> bool:
        return any(f"release:{after['id']}" in run["tags"] for run in machine.completed("compare_strategies"))

    print(f"compared {wait_until(compared, 'a comparison of what was published last'):.1f} s later")
    wait_until(lambda: machine.completed("clean_up"), "a scheduled clean-up")
    assert [release["id"] for release in machine.json("lorag releases")["releases"]] == [after["id"]]
    machine.run("lorag down")
