from pathlib import Path

import pytest

from lorag.params_file import load_params
from lorag.use_cases.asking import versions
from lorag.use_cases.init_workspace import init_workspace
from lorag.use_cases.timeline.timeline_walk import Walk, open_walk, read_version


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
