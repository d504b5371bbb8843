"""The section of a report on training seeds."""

from collections.abc import Sequence

from lorag.evaluation.seeds import SeedsReport
from lorag.reports.page import Section, Table


def seeds_section(reports: Sequence[SeedsReport]) -> Section:
    """Return a table with a row for each measure of each adapter."""
    rows = [
        [
            report.strategy,
            name,
            *(
                f"{spread[part]:.3f}" if spread[part] is not None else ""
                for part in ("mean", "least", "greatest", "sd")
            ),
            ", ".join(f"{each.figures[name]:.3f}" if name in each.figures else "-" for each in report.results),
        ]
        for report in reports
        for name, spread in report.spreads.items()
    ]
    seeds = "; ".join(
        f"{report.strategy}: {', '.join(str(each.seed) for each in report.results)}" for report in reports
    )
    said = f"The same training with other seeds ({seeds}), which the intervals above do not cover."
    columns = ["strategy", "measure", "mean", "least", "greatest", "standard deviation", "by seed"]
    return Section("Seeds", [said], (), [Table(columns, rows)])
