"""The comparison of predicted with real policies, and the versions that its walk is made of."""

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lorag.costs.policies import Policy, Share
from lorag.costs.unit_costs import Band
from lorag.evaluation.timeline_records import Moment
from lorag.strategies import Strategy
from tests.costs.recorded import recorded_timeline

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def policies(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("policies")


def test_the_last_updates_of_a_walk_are_predicted_from_the_first_ones(policies: Any) -> None:
    walk = recorded_timeline("sample")
    outcomes = {one.policy: one for one in policies.compare(walk, 0.1)}
    *_, before, last = walk.steps
    retrained = {row.strategy: row for row in last.rows if row.moment is Moment.RETRAINED}
    for strategy in (Strategy.TUNED, Strategy.HYBRID):
        every, once = outcomes[f"{strategy}, every update"], outcomes[f"{strategy}, once"]
        assert (every.predicted.n_retrains, every.real.n_retrains) == (1, 1)
        cost, right = retrained[strategy].cost, retrained[strategy].figures["accuracy"].value
        assert cost is not None and every.real.cost.median == pytest.approx(cost.money)
        assert every.real.right.value == pytest.approx(right)
        refresh = outcomes["rag"].real.cost.median if strategy.profile.reads else 0.0
        assert (once.real.n_retrains, once.real.cost.median) == (0, refresh)
        known = next(row for row in before.rows if (row.strategy, row.moment) == (strategy, Moment.RETRAINED))
        assert known.cost is not None and every.predicted.cost.median == pytest.approx(known.cost.money)


def test_a_policy_that_waits_is_looked_up_by_the_age_of_its_adapter(policies: Any) -> None:
    walk = recorded_timeline("wikipedia")
    real = policies.look_up(Policy(Strategy.TUNED, every=2), walk.steps[1:])
    shares = [
        next(row.figures["accuracy"].value for row in step.rows if (row.strategy, row.moment) == ("tuned", moment))
        for step, moment in zip(walk.steps[1:], (Moment.REFRESHED, Moment.RETRAINED), strict=True)
    ]
    assert real.n_retrains == 1 and real.right.value == pytest.approx(sum(shares) / 2)
    assert policies.look_up(Policy(Strategy.TUNED), walk.steps[1:]).right is None, "no older adapter was asked"


def test_what_is_missed_is_said(policies: Any, capsys: pytest.CaptureFixture[str]) -> None:
    predicted = policies.Course(Band(1, 1, 1), 0, Share(0.8, 0.7, 0.9))
    met = policies.Outcome("a", predicted, replace(predicted, cost=Band(1.15, 1.15, 1.15)))
    dear = policies.Outcome("b", predicted, replace(predicted, cost=Band(1.2, 1.2, 1.2)))
    wrong = policies.Outcome("c", predicted, replace(predicted, right=Share(0.6, 0.5, 0.7)))
    unknown = policies.Outcome("d", predicted, replace(predicted, right=None))
    assert policies.show([met, unknown], {}, 30) == []
    assert "All goals are met." in capsys.readouterr().out
    assert len(policies.show([met, dear, wrong], {"a": predicted}, 30)) == 2
    out = capsys.readouterr().out
    assert "MISSED: b: the real cost is 1.20 times" in out and "MISSED: c: the real answers" in out


def test_each_version_changes_and_drops_facts_in_page_and_question(policies: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    page = source / "versions" / "2.13" / "scalers" / "queue.md"
    page.parent.mkdir(parents=True)
    names = [f"limit{number}" for number in range(40)]
    page.write_text("".join(f"- `{name}` - A limit. (Default: `{n}`, Optional)\n" for n, name in enumerate(names)))
    rows = [
        {
            "version": "2.13",
            "question": f'What is the default value of the `{name}` parameter of the KEDA scaler "Queue"?',
            "answers": [str(n)],
            "gold_doc_ids": ["keda/2.13/scalers/queue.md"],
            "fact_id": f"queue.md#{name}",
        }
        for n, name in enumerate(names)
    ]
    (source / "questions_derived.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_versions = importlib.import_module("keda_stream").write_versions
    versions = write_versions(tmp_path / "one", 3, 36, source)
    asked = []
    for version in versions:
        text = (version / "documents" / "scalers" / "queue.md").read_text()
        found = [json.loads(line) for line in (version / "questions.jsonl").read_text().splitlines()]
        asked.append({one["id"]: one["answers"] for one in found})
        for one in found:
            key = one["id"].split("#")[1]
            assert f"- `{key}` - A limit. (Default: `{one['answers'][0]}`, Optional)\n" in text
        gone = {*asked[0]} - {*asked[-1]}
        assert not any(f"`{name.split('#')[1]}`" in text for name in gone)
    assert [len(each) for each in asked] == [36, 34, 32]
    assert sum(asked[1][name] != asked[0][name] for name in asked[1]) == 6
    again = write_versions(tmp_path / "two", 3, 36, source)
    assert [(v / "questions.jsonl").read_bytes() for v in versions] == [
        (v / "questions.jsonl").read_bytes() for v in again
    ]
