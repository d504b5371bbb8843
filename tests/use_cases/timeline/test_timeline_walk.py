from pathlib import Path

import pytest

from lorag.evaluation.timeline_records import Moment
from lorag.params_file import load_params
from lorag.strategies import AdapterKind, Strategy
from lorag.use_cases.asking import versions
from lorag.use_cases.init_workspace import init_workspace
from lorag.use_cases.timeline.steps import asked_at, retrain_record, retrained_at
from lorag.use_cases.timeline.timeline_walk import Step, Version, Walk, open_walk, read_version
from lorag.workspace import Workspace

ROOT = Path(__file__).parents[3]


def test_steps_that_other_code_recorded_are_walked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, height in (("v1", "12"), ("v2", "14")):
        (tmp_path / name / "documents").mkdir(parents=True)
        (tmp_path / name / "documents" / "pier.md").write_text(f"# Pier\n\nThe lamp is {height} metres high.\n")
        (tmp_path / name / "questions.jsonl").touch()
    workspace = init_workspace(tmp_path / "w", tmp_path / "v1" / "documents", None)

    def walk() -> Walk:
        found = [read_version(tmp_path / name) for name in ("v1", "v2")]
        return open_walk(tmp_path / "walk", found, workspace, load_params(workspace.params_file), (), None)

    step = walk().steps[0]
    step.write("inputs", {"version": "v1", "digest": step.digest})
    assert walk().steps[0].has("inputs")
    monkeypatch.setattr(versions, "MEASURES_VERSION", -1)
    assert not walk().steps[0].has("inputs")


def test_an_adapter_to_be_trained_once_is_trained_until_one_is_published(tmp_path: Path) -> None:
    params = load_params(ROOT / "params.yaml")
    versions = [Version(name, tmp_path / name, tmp_path / f"{name}.jsonl") for name in ("v1", "v2", "v3")]
    steps = tuple(Step(version, tmp_path / "steps" / version.name, "digest") for version in versions)
    both = (AdapterKind.TUNED, AdapterKind.HYBRID)
    walk = Walk(tmp_path, Workspace(tmp_path), params, steps, both, None, None, once=(AdapterKind.HYBRID,))
    for step, published in zip(steps, (False, True, True), strict=True):
        for kind in retrained_at(step, walk):
            step.write(retrain_record(kind), {"published": published})
    assert [retrained_at(step, walk) for step in steps] == [list(both), list(both), [AdapterKind.TUNED]]
    assert (Strategy.HYBRID, Moment.REFRESHED) in asked_at(steps[2], walk)
    assert (Strategy.HYBRID, Moment.RETRAINED) not in asked_at(steps[2], walk)
    assert not steps[2].has(retrain_record(AdapterKind.HYBRID))
