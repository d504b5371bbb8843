import json

import pytest

from lorag.evaluation.seeds import SeedResult, SeedsReport
from lorag.reports.seeds_section import seeds_section

REPORT = SeedsReport(
    "tuned",
    "d1",
    tuple(SeedResult(seed, f"sha{seed}", {"accuracy": at}) for seed, at in ((7, 0.8), (8, 0.7), (9, 0.9))),
)


def test_the_spread_over_seeds() -> None:
    spread = REPORT.spreads["accuracy"]
    assert spread == {
        "mean": pytest.approx(0.8),
        "least": 0.7,
        "greatest": 0.9,
        "sd": pytest.approx(0.1),
    }
    assert SeedsReport("tuned", "d1", REPORT.results[:1]).spreads["accuracy"]["sd"] is None


def test_a_report_survives_json() -> None:
    assert SeedsReport.from_json(json.loads(json.dumps(REPORT.to_json()))) == REPORT


def test_a_section_tells_each_seed() -> None:
    [table] = seeds_section([REPORT]).tables
    assert table.rows == [["tuned", "accuracy", "0.800", "0.700", "0.900", "0.100", "0.800, 0.700, 0.900"]]
