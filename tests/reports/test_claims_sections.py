from lorag.findings.claims import Judged
from lorag.findings.evidence import Verdict
from lorag.reports.claims_sections import claims_section


def test_strangers_7_what_was_not_measured_is_counted_and_folded() -> None:
    judged = [
        Judged("S1", "Reading beats tuning.", None, Verdict.HOLDS, "it does", (), None),
        *(Judged(f"S{n}", "More.", "1", Verdict.NOT_MEASURED, "no figures", (), "lorag compare") for n in (2, 3)),
    ]
    table, rest = claims_section(judged).tables
    assert (table.rows[0][3], table.folded) == ("holds", False)
    assert (rest.caption, rest.folded, len(rest.rows)) == ("Not measured: 2", True, 2)
    assert not any("not measured" in cell for row in rest.rows for cell in row)
    assert len(claims_section(judged[:1]).tables) == 1
