"""Point 9 of what strangers met: the tables of a run in Prefect, in units and figures that a person reads."""

from flows.record import _costs, _readable, _verdict


def test_strangers_9_costs_are_in_units_without_exponents_and_figures_have_four_digits() -> None:
    cost = {"wall_s": 7.123456, "kwh": 0.00002101, "bytes_written": 1_811_845_120, "money": 0.00016, "machine": {}}
    shown = {name: _readable(value) for name, value in _costs({**cost, "tokens_trained": None}).items()}
    assert shown == {"wall_s": "7.123", "wh": "0.02101", "mb_written": "1,812", "money": "0.00016"}


def test_strangers_9_a_figure_of_the_gate_has_its_limit_and_verdict() -> None:
    assert _verdict({"limit": 0.5, "passed": True}) == "(passed, limit 0.5)"
    assert _verdict({"limit": 0.5, "passed": False}) == "(FAILED, limit 0.5)"
