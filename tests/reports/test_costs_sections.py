from lorag.costs.ledger import EntryKind, Extent, Ledger
from lorag.costs.records import Use
from lorag.reports.costs_sections import ENTRIES, break_even_section, ledger_section
from tests.costs.measured import ALL, ANSWERS, FAST, REFRESHES, RETRAINS, SLOW, entry, found


def test_the_break_even_tells_its_lines_and_how_a_doubled_price_moves_them() -> None:
    power = Use(wall_s=3600, cpu_s=3600, kwh=1.0)
    retrains = [entry(EntryKind.RETRAIN, "tuned", cpu_s=3600, extent=Extent.FULL, use=power), RETRAINS[-1]]
    section = break_even_section(found([*REFRESHES, *retrains, *ANSWERS]))
    lines, moved = section.tables
    by_pair = {row[0]: row for row in lines.rows}
    # An update by training costs 3,564 s of a core and a kWh more, a question 3.24 s of a core less.
    assert by_pair["rag and tuned"][1] == f"{(3564 * 0.04 / 3600 + 0.3) / (3.24 * 0.04 / 3600):,.1f}"
    assert by_pair["rag and tuned"][4] == "tuned"
    assert by_pair["rag and hybrid"][1] == "never"
    assert by_pair["rag and hybrid"][4] == "rag, always"
    assert len(section.figures) == 1
    assert {row[0] for row in moved.rows} == {"cpu hour", "kwh"}


def test_what_was_not_measured_is_named_in_place_of_a_chart() -> None:
    section = break_even_section(found(ANSWERS))
    assert (section.figures, section.tables) == ((), ())
    assert any(line.startswith("tuned lacks") for line in section.text)


def test_the_ledger_shows_sums_of_all_and_the_newest_entries() -> None:
    many = [entry(EntryKind.REFRESH, None, cpu_s=2.5) for _ in range(ENTRIES)]
    totals, newest = ledger_section(Ledger(tuple([*many, *ALL]))).tables
    median, total = totals.rows[:2]
    assert (median[:5], total[4]) == (["refresh", "", "", str(ENTRIES), "median"], "total")
    assert (median[6], total[6]) == ("2.5", "100")
    assert len(newest.rows) == ENTRIES
    assert all(row[5] == "2.5" and row[-1].endswith(" EUR") for row in newest.rows)


def test_the_ledger_names_its_machine_and_how_many_entries_of_others_were_left_out() -> None:
    on = [entry(EntryKind.REFRESH, None, cpu_s=2.5, machine=machine) for machine in (FAST, SLOW, SLOW)]
    assert ledger_section(Ledger(tuple(on)).on_newest_machine()).text[1:] == [
        "Measured on Fast 9, 64 cores, H1, H1.",
        "Left out: 2 entries of other machines, which `lorag costs` shows.",
    ]


def test_an_empty_ledger_says_so() -> None:
    assert ledger_section(Ledger()).text == ["Nothing was measured yet."]


def test_one_run_of_a_kind_is_one_row() -> None:
    one = entry(EntryKind.REFRESH, None, cpu_s=2.5)
    totals, newest = ledger_section(Ledger((one,))).tables
    assert [row[3:5] for row in totals.rows] == [["1", "total"]]
    assert newest.folded and not totals.folded
