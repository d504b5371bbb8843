"""The card of a release: what is recorded is on it, and what is not says so."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lorag.cli import run
from lorag.costs.records import Cost, Use
from lorag.evaluation.rule_error import RULE_ERROR
from lorag.evaluation.timeline_records import Moment
from lorag.integrations.git_repo import commit, head_commit, init_repository
from lorag.params_file import load_params
from lorag.releases.record import DocumentEntry
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import Strategy
from lorag.use_cases.init_workspace import template
from lorag.use_cases.judge.describe_release import write_card
from lorag.use_cases.serve.answer_costs import AnswerCosts
from lorag.use_cases.serve.query_log import append_line
from lorag.workspace import Workspace
from tests.findings.judged import row, walked
from tests.releases.test_record import TUNED, with_adapter
from tests.releases.test_shelf import release

FIRST = release(1)
SECOND = with_adapter(
    replace(
        release(2),
        content_digest="d",
        recall_at_10=0.875,
        documents={"a.md": DocumentEntry("2", "A"), "new|page.md": DocumentEntry("1", "New")},
    )
)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Two releases, the second of a commit."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "w"
    root.mkdir()
    init_repository(root)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(template(name), root / name)
    commit(root, ["params.yaml", "dvc.yaml"], "Start")
    found, shelf = Workspace(root), ReleaseShelf(root / ".lorag")
    shelf.publish(FIRST, expected_served=None)
    shelf.publish(replace(SECOND, git_commit=head_commit(root)), expected_served=FIRST.id)
    monkeypatch.chdir(root)
    return found


def card(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, dict[str, Any]]:
    """As Markdown and as JSON."""
    assert run(["releases", "--card", *arguments]) == 0
    text = capsys.readouterr().out
    assert run(["releases", "--card", *arguments, "--json"]) == 0
    return text, json.loads(capsys.readouterr().out)


def record(workspace: Workspace) -> None:
    """A comparison, a walk, answers of the service and what readers said of them."""
    quality = {"accuracy": {"value": 0.8, "low": 0.7, "high": 0.9, "n": 40}}
    last = {"release": SECOND.id, "limit": None, "confidence": 0.95, "strategies": {"rag": {"quality": quality}}}
    workspace.last_comparison.write_text(json.dumps(last))
    walk = walked((row(Strategy.TUNED, Moment.REFRESHED, {"removed_leaked": ((0.5, 0.3, 0.7), 20)}, fresh_s=90.0),))
    assert walk.timeline is not None
    steps = tuple(
        replace(step, release=name) for step, name in zip(walk.timeline.steps, (FIRST.id, SECOND.id), strict=True)
    )
    workspace.reports.mkdir()
    (workspace.reports / "timeline.json").write_text(json.dumps(replace(walk.timeline, steps=steps).to_json()))
    AnswerCosts(workspace).add(Strategy.RAG, SECOND.id, "s", Cost(Use(wall_s=2.0), 0.001, "EUR"))
    candidate = {
        **dict.fromkeys(("id", "query", "noted_utc", "question", "answer", "kind", "key"), "x"),
        **{"verdict": "stale", "strategy": "rag", "reason": None, "release": SECOND.id, "passages": []},
    }
    append_line(workspace.question_candidates_file, candidate)
    append_line(workspace.question_candidates_file, candidate | {"verdict": "declined"})


def test_everything_that_is_recorded_is_on_the_card(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    record(workspace)
    text, found = card(capsys)
    assert text.startswith(f"# Release {SECOND.id}\n")
    assert found["changes"] == {"added": ["new|page.md"], "changed": ["a.md"], "removed": [], "renamed": []}
    assert "| added | 1 | new\\|page.md |" in text
    assert RULE_ERROR.line() in text and found["measure"] == RULE_ERROR.to_json()
    assert "0.875" in text and "| rag | 0.80 [0.70, 0.90] |" in text
    assert "| tuned, stale adapter | refreshed | not measured | 0.50 [0.30, 0.70] | not measured | 1 s | 90 s |" in text
    assert "| answers rag of 1 question | served | 2.0 |" in text and "The update: not measured." in text
    assert "| tuned | tuned-aaaa | 1 of 3 documents (33.3%), 2 of 9 chunks (22.2%) |" in text
    assert "It can answer by base, rag, tuned." in text and "Readers marked answers: 1 stale." in text
    assert found["settings"]["schedules.retrain"] == "0 3 * * 0" and "| schedules.retrain | 0 3 * * 0 |" in text
    assert found["readers"] == [{"name": "owner", "where": {}, "n_documents": 2}]
    assert found["digests"]["adapter tuned-aaaa"] == TUNED.sha256 and TUNED.sha256 in text


def test_what_is_not_recorded_says_so(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    text, found = card(capsys, "1")
    assert (found["id"], found["served"], found["before"], found["changes"]) == (FIRST.id, False, None, None)
    assert (found["quality"], found["walk"], found["updates"], found["settings"]) == (None, None, [], {})
    assert RULE_ERROR.line() not in text, "no answer was judged by it"
    assert "It is not the one that is served now." in text and "no release before it is retained" in text
    for section in ("## Quality", "## Stale, leaked, forgotten", "## Costs"):
        said = text.partition(section)[2].partition("\n## ")[0].lower()
        assert "not measured" in said, section
    assert "not recorded" in text.partition("## Strategies and policy")[2]
    assert "| git commit | none |" in text


def test_a_comparison_of_another_release_is_not_taken_for_this_one(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    record(workspace)
    assert card(capsys, FIRST.id)[1]["quality"] is None
    assert card(capsys, FIRST.id)[1]["answered"] == []


def test_the_card_is_written_beside_the_artifacts(workspace: Workspace) -> None:
    write_card(workspace, load_params(workspace.params_file), {})
    assert workspace.release_card.read_text().startswith(f"# Release {SECOND.id}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--card", "9"], "no release '9'"), (["2"], "a release without --card")],
)
def test_a_release_that_is_not_there_is_one_line(
    arguments: list[str], said: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["releases", *arguments]) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.splitlines()) == 1
