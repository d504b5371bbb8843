"""`lorag claims` on a workspace whose reports a test wrote, with runs in a real MLflow database."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lorag.cli import run
from lorag.costs.records import Use
from lorag.evaluation.comparison import Comparison
from lorag.evaluation.rule_error import RULE_ERROR
from lorag.evaluation.timeline_records import Moment, Timeline
from lorag.findings.evidence import Evidence
from lorag.reports.page import render_page
from lorag.use_cases.judge.claims_report import judged_sections
from lorag.use_cases.judge.judge_claims import judge_workspace
from lorag.workspace import Workspace
from tests.findings.judged import compared, row, walked
from tests.use_cases.conftest import Place
from tests.use_cases.judge.test_weigh_costs import INCREMENTAL, call, log, show

ROOT = Path(__file__).parents[3]

ASKED = compared(
    {"tuned - rag": (-0.6, -0.7, -0.5), "tuned - base": (0.2, 0.1, 0.3), "hybrid - rag": (-0.3, -0.4, -0.2)},
    {name: (0.5, 0.4, 0.6) for name in ("base", "rag", "tuned", "hybrid")},
)
LEAKED = ((0.9, 0.8, 1.0), 20)


def walk(leaked: tuple[tuple[float, float, float], int]) -> Evidence:
    gone = ((0.0, 0.0, 0.0), 20)
    return walked(
        (
            row("base", Moment.REFRESHED, {"removed_leaked": gone}),
            row("rag", Moment.REFRESHED, {"removed_leaked": gone}),
            row("tuned", Moment.REFRESHED, {"removed_leaked": leaked}),
            row("tuned", Moment.RETRAINED, {"removed_leaked": gone}),
        )
    )


def write(found: Comparison | Timeline | None, path: Path) -> None:
    assert found is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found.to_json()))


@pytest.fixture
def reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "w"
    root.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root)
    place = Place(Workspace(root), root, root)
    place.workspace.state.mkdir()
    write(ASKED.comparison, root / "reports" / "comparison.json")
    write(walk(LEAKED).timeline, root / "build" / "timeline" / "reports" / "timeline.json")
    log(place, {"kind": "refresh"}, Use(wall_s=20, cpu_s=36, kwh=1e-5), INCREMENTAL)
    used = Use(wall_s=2000, cpu_s=3600, tokens_trained=500, kwh=1e-3)
    log(place, {"kind": "retrain", "adapter": "tuned"}, used, {})
    return place


def test_the_command_judges_what_other_commands_wrote(reported: Place, capfd: pytest.CaptureFixture[str]) -> None:
    found = call(reported, capfd, "claims")
    verdicts = {each["id"]: each["verdict"] for each in found["claims"]}
    assert verdicts == {
        **dict.fromkeys(["S2", "S4", "S5", "S6", "S8", "S10", "S11", "S12"], "not_measured"),
        **dict.fromkeys(["S1", "S7", "S9"], "holds"),
        "S3": "fails",
    }
    assert found["measure"] == RULE_ERROR.to_json()
    assert found["counts"] == {"holds": 3, "fails": 1, "not_measured": 8}
    failed = next(each for each in found["claims"] if each["id"] == "S3")
    assert failed["figures"][0]["text"] == "hybrid - rag: -0.300 [-0.400, -0.200]"
    stages = next(each for each in found["table"] if "stages" in each["name"])
    assert {name: cell["value"] for name, cell in stages["cells"].items()} == {
        "base": 0,
        "rag": 3,
        "tuned": 6,
        "hybrid": 6,
    }
    shown = show(reported, capfd, "claims")
    assert "3 holds, 1 does not hold, 8 not measured" in shown
    assert "Retrieval against fine-tuning, measured" in shown
    assert " ".join(RULE_ERROR.line().split()) in " ".join(shown.split())


def test_another_walk_is_taken_where_it_is_named(
    reported: Place, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write(walk(((0.0, 0.0, 0.0), 20)).timeline, tmp_path / "other" / "reports" / "timeline.json")
    found = call(reported, capfd, "claims", "--timeline", str(tmp_path / "other"))
    assert {each["id"]: each["verdict"] for each in found["claims"]}["S9"] == "fails"
    own = replace(reported, workspace=Workspace(tmp_path / "other" / "workspace"))
    reported.workspace.root.rename(own.workspace.root)
    shutil.rmtree(own.workspace.root / "build")
    found = call(own, capfd, "claims")
    assert {each["id"]: each["verdict"] for each in found["claims"]}["S9"] == "fails", "the walk that it belongs to"
    capfd.readouterr()
    assert run(["--workspace", str(own.workspace.root), "claims", "--timeline", str(tmp_path / "none")]) == 2
    assert "no walk was finished there" in capfd.readouterr().err


def test_a_damaged_report_is_named(reported: Place, capfd: pytest.CaptureFixture[str]) -> None:
    (reported.workspace.reports / "comparison.json").write_text('{"questions": []}')
    assert run(["--workspace", str(reported.workspace.root), "claims"]) == 7
    assert "reports/comparison.json" in capfd.readouterr().err


def test_the_sections_of_a_report_hold_the_verdicts(reported: Place) -> None:
    page = render_page("t", [], judged_sections(judge_workspace(reported.workspace, reported.params, {})))
    for said in ("does not hold", "hybrid - rag: -0.300", "Retrieval against fine-tuning, measured", "Not measured: 8"):
        assert said in page, said


def test_reports_are_read_as_they_were_written() -> None:
    assert ASKED.comparison is not None
    assert Comparison.from_json(json.loads(json.dumps(ASKED.comparison.to_json()))) == ASKED.comparison
    with_search = replace(ASKED.comparison, retrieval=ASKED.comparison.strategies["rag"])
    assert Comparison.from_json(json.loads(json.dumps(with_search.to_json()))) == with_search
