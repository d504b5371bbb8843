import pytest

from lorag.errors import GateRefused
from lorag.evaluation.validation import FailedExpectation, SuiteResult, ValidationReport, refuse_failures

FAILED = FailedExpectation("chunks", "column_values_to_be_unique", "id", 2, ("a", "b"))


def test_a_report_without_failures_passes() -> None:
    report = ValidationReport((SuiteResult("chunks", 0, 3, ()),), {})

    refuse_failures(report)
    assert report.to_json()["passed"] is True


def test_a_report_of_nothing_has_not_passed() -> None:
    with pytest.raises(GateRefused, match="no suite was run"):
        refuse_failures(ValidationReport((), {}))


def test_the_refusal_names_rows_and_counts_the_rest() -> None:
    report = ValidationReport((SuiteResult("chunks", 3, 3, (FAILED, FAILED)), SuiteResult("x", 1, 1, (FAILED,))), {})

    with pytest.raises(GateRefused, match=r"chunks\.id .*2 failed, first a, b \(and 2 more\)"):
        refuse_failures(report)
