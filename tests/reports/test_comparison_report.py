"""The report as a file: whole, offline, and safe whatever a document or a model says."""

import re
from dataclasses import replace

from matplotlib.figure import Figure

from lorag.costs.records import Cost, Use
from lorag.evaluation.comparison import compare_answers
from lorag.evaluation.rule_error import RULE_ERROR
from lorag.reports.comparison_sections import (
    differences_section,
    quality_section,
    retrieval_section,
    samples_section,
    speed_section,
    strata_section,
)
from lorag.reports.page import Section, Table, render_page
from lorag.reports.summary_section import summary_section
from tests.evaluation.test_comparison import BASE, BOOTSTRAP, CHUNKS, IDEAL, RAG

HOSTILE = '<script>alert(1)</script> & "quotes" <img src=x onerror=y>'


def test_what_a_model_wrote_is_text() -> None:
    hostile = [replace(BASE[0], answer=replace(BASE[0].answer, text=HOSTILE)), *BASE[1:]]
    page = render_page(HOSTILE, [HOSTILE], [samples_section({"base": hostile, "rag": RAG})])
    assert "<script" not in page and "<img" not in page
    assert page.count("&lt;script&gt;alert(1)") == 4, "in the title, twice, the lead and the answer"


def test_it_needs_no_network() -> None:
    figure = Figure(figsize=(2, 2))
    figure.subplots().set_title(HOSTILE)
    page = render_page("t", [], [Section("s", figures=[figure], tables=[Table(["a"], [["b"]])])])
    assert "<svg" in page and "<script" not in page
    fetched = re.findall(r'(?:src|href)="([^"#][^"]*)"|url\((?!#)', page)
    assert [address for address in fetched if "http" in address] == []
    assert "default-src 'none'" in page


def test_a_raster_in_a_drawing_is_shown_and_sections_wrap() -> None:
    page = render_page("t", [], [Section(f"Section {number}") for number in range(20)])
    assert "img-src data:" in page, "the regions of the break-even are one"
    assert "flex-wrap: wrap" in page
    assert page.count("<li><a href=") == 20


def test_a_folded_table_shows_its_caption_and_a_wide_one_can_be_scrolled_by_keys() -> None:
    tables = [Table(["a"], [["b"]], "All of it", folded=True), Table(["c", "d"], [["e", "f"]])]
    page = render_page("t", [], [Section("s", tables=tables)])
    assert "<summary>All of it</summary>" in page
    assert 'tabindex="0" role="region" aria-label="c, d"' in page


def test_the_summary_names_the_best_and_those_that_are_not_told_apart() -> None:
    found = compare_answers({"base": BASE, "rag": RAG, "rag_ideal": IDEAL}, CHUNKS, [1, 5], BOOTSTRAP)
    section = summary_section(found, {"rag": 1.25}, {"rag": (Cost(Use(), 0.002, "EUR"), 4)})
    (table,) = section.tables
    assert [row[0] for row in table.rows] == ["base", "rag"], "no variants"
    assert section.text[0].startswith("rag answers most facts right:")
    assert table.rows[1][-2:] == ["1.25", "0.5000 EUR"] and table.rows[0][-2:] == ["–", "–"]


def test_each_section_tells_its_figures() -> None:
    found = compare_answers({"base": BASE, "rag": RAG, "rag_ideal": IDEAL}, CHUNKS, [1, 5], BOOTSTRAP)
    speeds = {"rag": {"p50_s": 1.25, "p95_s": 2.5, "ttft_p50_s": 0.5, "tokens_in": 90, "tokens_out": 9}}
    costs = {"rag": (Cost(Use(cpu_s=6.0, kwh=1e-5), 0.002, "EUR"), 4, "streamed")}
    retrieval = retrieval_section(found)
    strata = strata_section(found)
    assert retrieval is not None and strata is not None
    page = render_page(
        "t",
        [],
        [
            quality_section(found, ["tuned is left out: no adapter"]),
            strata,
            retrieval,
            differences_section(found),
            speed_section(speeds, {"rag": 4}, costs, {"base": "no question"}),
        ],
    )
    for said in (
        "tuned is left out: no adapter",
        RULE_ERROR.line(),
        "2 questions on facts, 1 on general knowledge, 1 that nothing answers",
        "rag, ideal retriever",
        "+0.500 [",
        "4 one at a time",
        "1,500",
        "0.5000 EUR",
        "base: not measured, no question",
    ):
        assert said in page, said
    assert "rag_ideal - " not in page


def test_nothing_is_said_of_a_search_that_never_ran() -> None:
    assert retrieval_section(compare_answers({"base": BASE}, CHUNKS, [1], BOOTSTRAP)) is None


def test_controls_alone_make_a_report_too() -> None:
    found = compare_answers({"base": BASE[2:3]}, CHUNKS, [1], BOOTSTRAP)
    assert strata_section(found) is None
    page = render_page("t", [], [quality_section(found, []), samples_section({"base": BASE[2:3]})])
    assert "0 questions on facts, 1 on general knowledge" in page
    assert "It is Paris." in page


def test_questions_of_one_id_keep_their_own_answers() -> None:
    rows = [BASE[0], replace(BASE[2], question=replace(BASE[2].question, id=BASE[0].question.id))]
    (table,) = samples_section({"base": rows}).tables
    assert [row[2] for row in table.rows] == ["It is 40 metres.", "It is Paris."]
