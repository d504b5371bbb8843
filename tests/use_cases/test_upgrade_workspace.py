"""What `lorag upgrade` changes of each file, and what it leaves alone."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from lorag.errors import Busy, IntegrityFailed, ParamsError
from lorag.integrations.dvc.dvc_repo import lost_remote
from lorag.integrations.mlflow.moved import move_artifacts
from lorag.params_file import load_params
from lorag.releases.durable import writer_lock
from lorag.strategies import AdapterKind
from lorag.use_cases.init_workspace import init_workspace
from lorag.use_cases.upgrade_workspace import upgrade_workspace
from lorag.workspace import Workspace


@pytest.fixture
def made(tmp_path: Path) -> Workspace:
    """A new workspace, which needs no upgrade."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "pier.md").write_text("# Pier\n\nThe lamp is lit at 8:30.\n")
    workspace = init_workspace(tmp_path / "w", tmp_path / "docs", None)
    workspace.state.mkdir()
    return workspace


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")


def said(workspace: Workspace) -> dict[str, list[str]]:
    return {change.file: list(change.said) for change in upgrade_workspace(workspace)}


def contents(workspace: Workspace) -> dict[str, bytes]:
    names = ("params.yaml", "dvc.yaml", "prefect.yaml", ".dvc/config")
    return {name: (workspace.root / name).read_bytes() for name in names}


def test_a_workspace_of_this_version_is_left_as_it_is(made: Workspace) -> None:
    before = contents(made)
    assert said(made) == {}
    assert contents(made) == before


def test_settings_keep_their_values_and_get_the_new_names_and_keys(made: Workspace) -> None:
    wanted = made.params_file.read_text(encoding="utf-8")
    file = made.params_file
    line = next(line for line in wanted.splitlines() if line.startswith("  rrf_k:"))
    change(file, f"{line}\n", "")
    change(file, "retriever: fused  ", "retriever: hybrid ")
    change(file, "  top_k: 5\n", "  top_k: 7\n  colour: red\n")
    before = wanted[wanted.index("timeline:") : wanted.index("costs:")]
    change(file, before, "")
    assert said(made) == {
        "params.yaml": [
            "search.retriever: `hybrid` is called `fused` now",
            'search.colour: removed, nothing reads it any more; it was "red"',
            "search.rrf_k: new, 60",
            "timeline: new, a section of 1 value",
        ]
    }
    after = file.read_text(encoding="utf-8")
    assert load_params(file).search.top_k == 7
    assert after.replace("top_k: 7", "top_k: 5").split() == wanted.split(), "comments and order too"


def test_the_share_that_made_a_retrain_due_is_one_of_the_policy(made: Workspace) -> None:
    file = made.params_file
    wanted = file.read_text(encoding="utf-8")
    line = next(line for line in wanted.splitlines() if line.startswith("  plan_share:"))
    policy = wanted[wanted.index("policy:") : wanted.index("schedules:")]
    change(file, policy, "")
    change(file, line, "  retrain_from_share: 0.3                # less waits for the schedule")
    with pytest.raises(ParamsError, match="lorag upgrade"):
        load_params(file)
    (*_, moved) = said(made)["params.yaml"]
    assert moved == (
        "advice.retrain_from_share: its value 0.3 is that of advice.plan_share and policy.retrain.tuned.from_share now"
    )
    params = load_params(file)
    assert (params.advice.plan_share, params.policy.retrain[AdapterKind.TUNED].from_share) == (0.3, 0.3)
    assert file.read_text(encoding="utf-8").replace("share: 0.3", "share: 0.1").split() == wanted.split()
    assert said(made) == {}


def test_an_earlier_default_follows_and_a_chosen_value_stays(made: Workspace) -> None:
    wanted = made.params_file.read_text(encoding="utf-8")
    line = next(line for line in wanted.splitlines() if line.startswith("  min_support:"))
    old = "  min_support: 0.5                       # share of an answer's words that a quoted span must hold"
    change(made.params_file, line, old)
    (told,) = said(made)["params.yaml"]
    assert told.startswith("answering.min_support: 0.5 was the default") and "so it is 1.0" in told
    assert made.params_file.read_text(encoding="utf-8").split() == wanted.split()
    change(made.params_file, "min_support: 1.0", "min_support: 0.5")
    assert said(made) == {}
    assert load_params(made.params_file).answering.min_support == 0.5


def test_packaged_stages_take_the_place_of_earlier_ones_and_own_stages_stay(made: Workspace) -> None:
    path = made.root / "dvc.yaml"
    own = "  mine:\n    cmd: wc -l artifacts/chunks.jsonl > mine.txt   # how many\n    outs: [mine.txt]\n"
    text = path.read_text(encoding="utf-8")
    packaged = YAML(typ="safe").load(text)["stages"]
    dead = "  colours:\n    cmd: python -m lorag.stages colours\n    outs: [colours.json]\n"
    stages_text, mark, sections = text.partition("\nplots:\n")
    sections = sections.replace("      y_label: loss\n", "      y_label: mine\n", 1)
    plot = "  - mine.csv\n"
    text = stages_text.replace("      - search\n", "", 1) + "\n" + dead + own + mark.lstrip() + plot + sections
    path.write_text(text.replace("  adapter-hybrid:\n", "  table:\n    path: mine.txt\n  hybrid:\n"), encoding="utf-8")
    changes = ["stage retrieval_evaluation: as packaged now", "stage colours: removed"]
    changes += ["plots, Loss of tuned by epoch: as packaged now", "artifacts, adapter-hybrid: new"]
    assert said(made) == {"dvc.yaml": changes}
    after = path.read_text(encoding="utf-8")
    tree = YAML(typ="safe").load(after)
    assert "mine.csv" in tree["plots"] and tree["artifacts"]["table"] == {"path": "mine.txt"}
    stages = tree["stages"]
    assert stages.pop("mine")["outs"] == ["mine.txt"] and "# how many" in after
    assert stages == packaged
    assert said(made) == {}


def test_faults_12_what_a_moved_workspace_recorded_follows_it(made: Workspace, tmp_path: Path) -> None:
    database = made.state / "mlflow" / "mlflow.db"
    database.parent.mkdir()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE experiments (artifact_location TEXT)")
        connection.execute("CREATE TABLE runs (artifact_uri TEXT)")
        old = [f"{made.root.as_uri()}/.lorag/mlflow/artifacts", f"{made.root}/mlruns/0", "s3://bucket/elsewhere"]
        connection.executemany("INSERT INTO experiments VALUES (?)", [(place,) for place in old])
        connection.execute("INSERT INTO runs VALUES (?)", (f"{made.root.as_uri()}/.lorag/mlflow/artifacts/1",))
    clone = Workspace(tmp_path / "clone")
    shutil.copytree(made.root, clone.root)
    assert lost_remote(clone.root) is None, "a clone gets its data from the original, which is there"
    assert ".dvc/config" not in said(clone)
    moved = Workspace(tmp_path / "another place")
    made.root.rename(moved.root)
    for place in (clone, moved):
        problem = lost_remote(place.root)
        assert problem and f"{made.root}/.dvc/cache, which is not there any more" in problem
    assert said(moved) == {
        ".dvc/config": [f"the remote `workspace` lies in {moved.root} now, not in {made.root}"],
        ".lorag/mlflow/mlflow.db": [f"3 places of artifacts lie in {moved.root} now, not in {made.root}"],
    }
    with closing(sqlite3.connect(moved.state / "mlflow" / "mlflow.db")) as connection:
        found = [row[0] for row in connection.execute("SELECT artifact_location FROM experiments")]
        assert found == [f"{moved.root.as_uri()}/.lorag/mlflow/artifacts", f"{moved.root}/mlruns/0", old[2]]
    assert move_artifacts(moved.state / "mlflow" / "mlflow.db", moved.root) == {}
    assert str(made.root) + "/" not in (moved.root / ".dvc" / "config").read_text()
    assert said(moved) == {}
    assert lost_remote(moved.root) is None


def test_a_remote_of_ones_own_stays(made: Workspace) -> None:
    config = made.root / ".dvc" / "config"
    change(config, f"url = {made.root}/.dvc/cache", "url = s3://bucket/dvc")
    assert said(made) == {}


def test_a_workspace_of_a_later_version_is_refused(made: Workspace) -> None:
    change(made.params_file, "retriever: fused", "retriever: hybrid")
    before = contents(made)
    (made.state / "releases").mkdir()
    (made.state / "releases" / "000001-aaaaaaaaaa.json").write_text(json.dumps({"format": 99, "release": {}}))
    with pytest.raises(IntegrityFailed, match="newer than this lorag reads"):
        upgrade_workspace(made)
    assert contents(made) == before


def test_settings_that_cannot_be_used_leave_everything_as_it_was(made: Workspace) -> None:
    change(made.params_file, "top_k: 5", "top_k: none")
    change(made.root / "dvc.yaml", "      - search\n      - evaluation\n", "      - evaluation\n")
    before = contents(made)
    with pytest.raises(ParamsError, match="search.top_k"):
        upgrade_workspace(made)
    assert contents(made) == before


def test_nothing_is_changed_beside_a_writer(made: Workspace) -> None:
    with writer_lock(made.lock_file), pytest.raises(Busy):
        upgrade_workspace(made)


@pytest.mark.parametrize(("line", "new"), [("  rrf_k: 60\n", ""), ("  rrf_k: 60\n", "  rrf_k: 60\n  colour: red\n")])
def test_other_commands_name_the_upgrade(line: str, new: str, made: Workspace) -> None:
    change(made.params_file, line, new)
    with pytest.raises(ParamsError, match="`lorag upgrade`"):
        load_params(made.params_file)
