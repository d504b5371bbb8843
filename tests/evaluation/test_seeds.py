import json

import pytest

from lorag.console.compare import show_seeds
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


def test_a_measure_that_some_seeds_lack_is_spread_over_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a single citation there is no share of right ones."""
    figures = ({"accuracy": 0.8}, {"accuracy": 0.7, "citations_right": 0.5}, {"accuracy": 0.9, "citations_right": 0.7})
    report = SeedsReport("hybrid", "d1", tuple(SeedResult(seed, f"sha{seed}", at) for seed, at in enumerate(figures)))
    assert list(report.spreads) == ["accuracy", "citations_right"]
    assert report.spreads["citations_right"]["mean"] == pytest.approx(0.6)
    [table] = seeds_section([report]).tables
    assert table.rows[1][-1] == "-, 0.500, 0.700"
    show_seeds(report.to_json())
    assert "citations_right" in capsys.readouterr().out


def test_a_report_survives_json() -> None:
    assert SeedsReport.from_json(json.loads(json.dumps(REPORT.to_json()))) == REPORT


def test_a_section_tells_each_seed() -> None:
    [table] = seeds_section([REPORT]).tables
    assert table.rows == [["tuned", "accuracy", "0.800", "0.700", "0.900", "0.100", "0.800, 0.700, 0.900"]]
