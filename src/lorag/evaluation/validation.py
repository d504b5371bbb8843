"""The report of a validation of documents, chunks and vectors."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lorag.errors import GateRefused


@dataclass(frozen=True, slots=True)
class FailedExpectation:
    """A rule that some rows broke.

    `column` is empty for a rule about the whole table, which names no rows. `rows` holds the ids of the first few
    rows, `row N` (from 0) for a row without an id. `observed` says what was found; it never contains document text.
    """

    suite: str
    expectation: str
    column: str
    n_failed: int
    rows: tuple[str, ...]
    observed: str = ""

    def line(self) -> str:
        """Return the failure in one line for a person."""
        subject = f"{self.suite}.{self.column}" if self.column else self.suite
        found = f" ({self.observed})" if self.observed else ""
        where = f": {self.n_failed} failed, first {', '.join(self.rows)}" if self.rows else ""
        return f"{subject} {self.expectation}{found}{where}"


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """The result of one suite: the number of rows and expectations it checked, and the failures."""

    name: str
    n_rows: int
    n_expectations: int
    failed: tuple[FailedExpectation, ...]


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """The results of all suites, and the number of documents with each flag."""

    suites: tuple[SuiteResult, ...]
    flags: Mapping[str, int]

    @property
    def failed(self) -> tuple[FailedExpectation, ...]:
        """The failures of all suites in order."""
        return tuple(failure for suite in self.suites for failure in suite.failed)

    @property
    def passed(self) -> bool:
        """Whether there is at least one suite and every expectation held: an empty report has not passed."""
        return bool(self.suites) and not self.failed

    def to_json(self) -> dict[str, Any]:
        """Return plain values, equal for equal data."""
        return {
            "passed": self.passed,
            "suites": [asdict(suite) for suite in self.suites],
            "flags": dict(sorted(self.flags.items())),
        }


def refuse_failures(report: ValidationReport, folder: str = "artifacts/validation") -> None:
    """Raise GateRefused with the first failure and the number of others, unless the report in `folder` passed."""
    if report.passed:
        return
    first, *others = [failure.line() for failure in report.failed] or ["no suite was run"]
    more = f" (and {len(others)} more)" if others else ""
    raise GateRefused(
        f"validation failed: {first}{more}",
        where=folder,
        do=f"open {folder}/data_docs/index.html, fix the rows it names, and run it again",
    )
