import pytest

from lorag.console.costs import _SERVED, show_costs
from lorag.costs.ledger import SERVED


def test_what_was_served_has_a_day_and_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    cost = {"tokens_read": 1, "wall_s": 2.0, "bytes_written": 0, "kwh": None, "money": 0.5, "currency": "EUR"}
    entry = {"started_utc": "2026-03-04T05:06:07Z", "cost": cost, "n_queries": 3, "run_id": "abcdef", "source": None}
    entry |= {"outcome": None, "kind": "answers", "strategy": "rag", "extent": None}
    entries = [entry, entry | {"source": SERVED, "started_utc": "2026-03-05T00:00:00Z"}]
    show_costs({"n_entries": 2, "entries": entries, "totals": [], "n_repeated": 0, "n_skipped": 0})
    printed = capsys.readouterr().out
    assert "03-04 05:06" in printed and "03-05" in printed and "00:00" not in printed
    assert SERVED == _SERVED
