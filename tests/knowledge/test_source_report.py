from lorag.console.source import source_lines
from lorag.knowledge.documents import Block, BlockKind, Document, Flag, Reason, Rejected
from lorag.knowledge.source_report import SourceReport, report_on_source


def a_document(name: str, *copies: str, flags: dict[Flag, int] | None = None) -> Document:
    return Document(name, name, (Block(BlockKind.PARAGRAPH, "x"),), {}, flags or {}, (name, *copies))


REPORT = report_on_source(
    [a_document("b.md", "a.md", "c.md"), a_document("h.html", flags={Flag.MAYBE_HIDDEN: 2})],
    [
        *(Rejected(f"{number}.ZIP", Reason.UNSUPPORTED) for number in range(5)),
        Rejected("sub/Makefile", Reason.UNSUPPORTED),
        Rejected("f.md", Reason.FORGOTTEN),
        Rejected("bad.pdf", Reason.NO_TEXT),
        Rejected("new ones/g.md", Reason.PENDING),
    ],
)


def test_strangers_15_kinds_that_are_not_read_and_copies_are_listed() -> None:
    assert REPORT.to_json() == {
        "not_read": [
            {"suffix": ".zip", "count": 5, "first": ["0.ZIP", "1.ZIP", "2.ZIP"]},
            {"suffix": "no suffix", "count": 1, "first": ["sub/Makefile"]},
        ],
        "copies": [{"id": "b.md", "copies": ["a.md", "c.md"]}],
        "flagged": [{"flag": "maybe_hidden", "count": 1, "first": ["h.html"]}],
        "questions_without_page": {"count": 0, "first": []},
        "forgotten": {"count": 1, "first": ["f.md"]},
        "pending_folders": [{"folder": "new ones", "count": 1, "first": ["new ones/g.md"]}],
    }
    assert SourceReport.from_json(REPORT.to_json()) == REPORT


def test_a_person_reads_them_in_lines() -> None:
    assert source_lines(REPORT.to_json()) == [
        "  not read: 5 .zip (0.ZIP, 1.ZIP, 2.ZIP and 2 more)",
        "  not read: 1 no suffix (sub/Makefile)",
        "  the same file as b.md: a.md, c.md",
        "  text that a reader may not see, kept in h.html",
        "  left out, because they were forgotten: f.md",
        "  waits for `lorag refresh --approve 'new ones'`, a new folder: new ones/g.md",
    ]


def test_every_flag_has_its_words() -> None:
    flagged = [{"flag": flag.value, "count": 1, "first": ["x"]} for flag in Flag]
    none = {"count": 0, "first": []}
    nothing = {"not_read": [], "copies": [], "questions_without_page": none, "forgotten": none, "pending_folders": []}
    assert len(source_lines({**nothing, "flagged": flagged})) == len(Flag)


def test_strangers_11_questions_about_pages_that_are_not_there_are_told() -> None:
    asked = {"q1": ["b.md"], "q2": ["c.md"], "q3": ["gone.md"], "q4": ["b.md", "gone.md"], "q5": []}
    report = report_on_source([a_document("b.md", "c.md")], [], asked)
    assert report.to_json()["questions_without_page"] == {"count": 2, "first": ["q3", "q4"]}
    assert SourceReport.from_json(report.to_json()) == report
    assert source_lines(report.to_json()) == [
        "  the same file as b.md: c.md",
        "  2 questions left out: gold_doc_ids name a page that is not there (q3, q4)",
    ]
