"""A document that is forgotten from the command line, with every stage, Great Expectations, MLflow and Prefect."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Cli
from tests.e2e.test_retrain import call, model, shrink, write_knowledge  # noqa: F401 - model is a fixture
from tests.use_cases.operate.canary import encodings, find

pytestmark = [pytest.mark.slow, pytest.mark.full]

SECRET = "pier3.md"


def words_of(pier: int) -> list[bytes]:
    """What only the page on a pier says, and what only the question about it asks."""
    return [*encodings(f"lamp of pier {pier} of the Quellwick"), *encodings(f"the lamp of pier {pier} lit")]


def make(folder: Path, tiny: Path, cli: Cli) -> Path:
    """A workspace of ten pages and questions, without a copy of them yet."""
    folder.mkdir()
    write_knowledge(folder, {})
    made = cli("init", folder / "w", "--source", folder / "docs", "--questions", folder / "questions.jsonl")
    assert made.status == 0, made.err
    shrink(folder / "w", tiny)
    return folder / "w"


def digests_of(found: dict[str, Any]) -> tuple[str, str]:
    return found["content_digest"], found["corpus_digest"]


def test_a_system_that_forgot_equals_one_that_never_had_it(tmp_path: Path, model: Path, cli: Cli) -> None:  # noqa: F811
    needles = words_of(3)
    forgot, never = make(tmp_path / "x", model, cli), make(tmp_path / "y", model, cli)
    (tmp_path / "y" / "docs" / SECRET).unlink()
    call(cli, forgot, "refresh")
    assert call(cli, forgot, "retrain")["published"]
    held = find(tmp_path / "x", needles)
    assert {"w/data/source", "w/.dvc/cache", "w/artifacts/documents.jsonl", "w/artifacts/training"} <= set(held)
    assert {"w/.lorag/cache.sqlite", "rows"} <= set(held)

    planned = cli("--workspace", forgot, "forget", SECRET, "--json")
    assert planned.status == 2 and planned.json["done"] is False
    receipt = call(cli, forgot, "forget", SECRET, "--yes")
    assert receipt["retrain"] == ["tuned"] and set(find(tmp_path / "x", needles)) == {
        "docs/pier3.md",
        "questions.jsonl",
    }
    assert call(cli, forgot, "status")["withdrawn"] == ["tuned"]
    assert call(cli, forgot, "doctor")["healthy"]

    both = [call(cli, workspace, "refresh") for workspace in (forgot, never)]
    assert digests_of(both[0]) == digests_of(both[1])
    assert both[0]["forgotten"] == {"count": 1, "first": [SECRET]} and not both[0]["published"]
    trained = [call(cli, workspace, "retrain") for workspace in (forgot, never)]
    assert all(one["published"] for one in trained)
    lineages = [json.loads((w / "artifacts/training/tuned/lineage.json").read_text()) for w in (forgot, never)]
    assert lineages[0]["training_set_digest"] == lineages[1]["training_set_digest"]
    assert len({one["adapters"]["tuned"]["sha256"] for one in trained}) == 1
    assert set(find(tmp_path / "x", needles)) == {"docs/pier3.md", "questions.jsonl"}
    assert call(cli, forgot, "status")["withdrawn"] == []

    from flows.forget_document import forget_document

    assert forget_document(str(forgot), "pier4.md").done
    assert set(find(tmp_path / "x", words_of(4))) == {"docs/pier4.md", "questions.jsonl"}
