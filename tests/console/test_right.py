"""What "right" means, and how often that is wrong, below each printed table of right answers."""

from pathlib import Path

import pytest

from lorag.console.compare import show_comparison
from lorag.console.timeline import show_timeline
from lorag.evaluation.rule_error import RULE_ERROR
from lorag.reports.timeline_section import timeline_section
from lorag.use_cases.timeline.timeline_report import TimelineOutcome
from tests.costs.recorded import recorded_timeline
from tests.reports.test_comparison_markdown import result_of


def test_below_a_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison(result_of("rag", "base") | {"report": "comparison.html"})
    assert RULE_ERROR.line() in capsys.readouterr().out.splitlines()


def test_below_a_walk_in_its_json_and_in_its_section(capsys: pytest.CaptureFixture[str]) -> None:
    timeline = recorded_timeline("sample")
    result = TimelineOutcome(timeline, Path("reports"), known=0).to_json()
    assert result["measure"] == RULE_ERROR.to_json()
    show_timeline(result)
    assert RULE_ERROR.line() in capsys.readouterr().out.splitlines()
    assert RULE_ERROR.line() in timeline_section(timeline).text
