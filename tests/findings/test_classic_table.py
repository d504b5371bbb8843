"""The usual table: each cell from the ledger, the comparison or the pipeline, and cells without a measurement."""

from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from lorag.costs.ledger import EntryKind, Extent
from lorag.findings.classic_table import NOT_MEASURED, fill_table
from lorag.findings.evidence import Evidence
from lorag.findings.pipeline_needs import count_stages
from tests.findings.judged import answers, compared, paid, update

ROOT = Path(__file__).parents[2]


def test_each_cell() -> None:
    evidence = paid(
        answers("rag", 9, p50_s=2.0, p95_s=3.0),
        update(EntryKind.REFRESH, 7, extent=Extent.INCREMENTAL),
        update(EntryKind.RETRAIN, 500, strategy="hybrid", extent=Extent.FULL),
        update(EntryKind.REFRESH, 5, extent=Extent.INCREMENTAL),
        update(EntryKind.REFRESH, 90, extent=Extent.FULL),
        update(EntryKind.RETRAIN, 400, strategy="hybrid", extent=Extent.FULL),
        update(EntryKind.REFRESH, 60, extent=Extent.FULL),
    )
    asked = compared(accuracy={"rag": (0.8, 0.7, 0.9)})
    evidence = replace(evidence, comparison=asked.comparison, stages={"rag": 3})
    cells = {each.name: {name: cell.text for name, cell in each.cells.items()} for each in fill_table(evidence)}
    assert cells["Set-up: stages of the pipeline"]["rag"] == "3"
    assert cells["Set-up: components"]["tuned"] == "2: language model, adapter"
    first = cells["Set-up: time to the first answer"]
    assert first == {"base": "at once", "rag": "60", "tuned": NOT_MEASURED, "hybrid": "460"}, "the oldest builds"
    assert cells["Inference speed, p50"] == {
        "base": NOT_MEASURED,
        "rag": "2.00",
        "tuned": NOT_MEASURED,
        "hybrid": NOT_MEASURED,
    }
    assert cells["Inference speed, p95"]["rag"] == "3.00"
    updates = cells["Update flexibility: time of an update"]
    assert updates == {"base": "takes no update", "rag": "6", "tuned": NOT_MEASURED, "hybrid": "456"}
    assert cells["Knowledge specificity: accuracy on facts"]["rag"] == "0.800 [0.700, 0.900]"
    assert cells["Initial cost"] == {
        "base": "nothing",
        "rag": "0.0006 EUR",
        "tuned": NOT_MEASURED,
        "hybrid": "0.0046 EUR",
    }
    assert cells["Maintenance cost of an update"]["rag"] == "6e-05 EUR"


def test_nothing_measured() -> None:
    for aspect in fill_table(Evidence()):
        if aspect.name != "Set-up: components":
            assert aspect.cells["hybrid"].text == NOT_MEASURED
            assert aspect.cells["hybrid"].value is None
            assert "lorag " in aspect.do


def test_what_each_strategy_needs_of_the_real_pipeline() -> None:
    pipeline = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")
    # Documents, chunks, embeddings; for an adapter also its start, its training set and itself.
    assert count_stages(pipeline) == {"base": 0, "rag": 3, "tuned": 6, "hybrid": 6}
    with pytest.raises(KeyError):
        count_stages({})
