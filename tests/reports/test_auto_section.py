"""What a report says of `auto`, in words, in figures and in a drawing."""

from dataclasses import replace

from lorag.evaluation.routing import Unrouted
from lorag.reports.auto_section import auto_section
from lorag.reports.comparison_markdown import auto_line, quality_columns, summarise_comparison
from lorag.reports.page import render_page
from tests.evaluation.test_routing import CASES, RAG, routed


def test_the_section_says_whether_it_serves_and_draws_the_risk() -> None:
    page = render_page("t", [], [auto_section(routed())])
    for said in ("auto serves: on the 60 questions", "points (", "Expected calibration error", "less rag", "0.900 ["):
        assert said in page, said
    assert page.count("<svg") == 1 and "Wrong answers, if the least certain questions are left out" in page

    slow = [replace(each, seconds={name: 9.0 if name is not RAG else 1.0 for name in each.seconds}) for each in CASES]
    assert "auto does not serve, rag answers instead: it is right for +" in render_page(
        "t", [], [auto_section(routed(slow))]
    )
    assert "Not judged: too few." in render_page("t", [], [auto_section(Unrouted("too few"))])


def test_markdown_and_terminal_have_a_column_and_a_line() -> None:
    auto = routed().to_json()
    strategies = {
        "rag": {"quality": {"accuracy": auto["quality"]["accuracy"]}, "ideal": None, "speed": None, "cost": None}
    }
    result = {
        "release": "000001-a",
        "limit": None,
        "questions": {"fact": 90, "control": 30, "unanswerable": 0, "style": 0},
        "confidence": 0.95,
        "strategies": strategies,
        "differences": {},
        "auto": auto,
        "left_out": {},
        "notes": {},
    }
    assert list(quality_columns(result)) == ["rag", "auto"]
    shown = summarise_comparison(result)
    assert "|  | rag | auto |" in shown and "| controls |  | 1.00 [0.89, 1.00] |" in shown
    assert "auto serves: +" in shown and "answered, most certain first | 20% | 40%" in shown
    assert list(quality_columns({**result, "auto": {"serves": False, "reason": "few"}})) == ["rag"]
    assert auto_line({**result, "auto": {"serves": False, "reason": "few"}}) == "auto was not judged: few."
    earlier = {name: value for name, value in result.items() if name != "auto"}
    assert auto_line(earlier) == "" and "auto" not in summarise_comparison(earlier)
