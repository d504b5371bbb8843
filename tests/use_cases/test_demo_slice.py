import json
from pathlib import Path
from typing import Any

import pytest

from lorag.demo import FOR_A_SLICE
from lorag.errors import ParamsError
from lorag.params_file import load_params
from lorag.strategies import AdapterKind
from lorag.use_cases.change_params import change_params
from lorag.use_cases.demo_slice import cut_slice

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("name", "n"), [("v1", 40), ("v2", 41)])
def test_a_slice_holds_the_documents_that_answer_its_questions(tmp_path: Path, name: str, n: int) -> None:
    assert cut_slice(ROOT / "knowledge" / name, tmp_path / name) == n
    rows = [json.loads(line) for line in (tmp_path / name / "questions.jsonl").read_text().splitlines()]
    needed = {document for row in rows for document in row["gold_doc_ids"]}
    documents = tmp_path / name / "documents"
    assert needed <= {path.relative_to(documents).as_posix() for path in documents.rglob("*") if path.is_file()}


def test_the_slices_show_every_kind_of_change() -> None:
    changes = set()
    for line in (ROOT / "knowledge/v2/questions.jsonl").read_text().splitlines():
        row = json.loads(line)
        if all(name.startswith(("fleet/", "people/lone-working.txt")) for name in row["gold_doc_ids"]):
            changes.add(row["change"])
    assert {"changed", "added", "unchanged"} <= changes


def leaves(tree: Any) -> list[Any]:
    return [leaf for value in tree.values() for leaf in leaves(value)] if isinstance(tree, dict) else [tree]


def test_params_are_changed_in_place_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text((ROOT / "params.yaml").read_text())
    change_params(file, FOR_A_SLICE)
    assert load_params(file).training[AdapterKind.TUNED].batch_tokens == 256
    assert load_params(file).training[AdapterKind.HYBRID].batch_tokens == 384
    assert "# padding included" in file.read_text()
    before, after = (ROOT / "params.yaml").read_text().splitlines(), file.read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == len(leaves(FOR_A_SLICE)), "a line for each value"
    with pytest.raises(ParamsError, match="general_share"):
        change_params(file, {"training_set": {"general_share": 7}})
