"""The printed answer."""

from typing import Any

import pytest

from lorag.console.terminal import show_answer, show_status

CITATION = {
    "document_id": "harbour.md",
    "document_version": "0123456789abcdef",
    "quote": "It was opened\nin 1874.",
    "heading": "Harbour > History",
    "date": "2024-05-06",
    "generation": 3,
    "source": "unchanged",
    "newer": None,
}


def result(strategy: str, kind: str, **more: Any) -> dict[str, Any]:
    values = {"answer": "In 1874.", "supported": True, "citations": [], "release": "r1", "cost": {"wall_s": 1.25}}
    values |= {"release_served": True}
    return {"strategy": strategy, "kind": kind, **values, **more}


def printed(capsys: pytest.CaptureFixture[str], answer: dict[str, Any]) -> list[str]:
    show_answer(answer)
    return capsys.readouterr().out.splitlines()


def test_a_supported_answer_is_followed_by_its_citation(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, result("rag", "generated", citations=[CITATION])) == [
        "In 1874.",
        "[1] harbour.md (2024-05-06, since release 3, version 0123456789ab)",
        "    Harbour > History",
        '    "It was opened in 1874."',
        "release r1 · rag · 1.2 s",
    ]


def test_a_newer_page_is_named_below_the_citation(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, result("rag", "generated", citations=[CITATION | {"newer": "harbour-2025.md"}]))
    assert lines[2:4] == ["    Harbour > History", "    harbour-2025.md is newer"]


def test_an_answer_whose_strategy_was_chosen_is_shown_whole_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    routed = {"why": "the chances to be right: base 90%, rag 5%", "chances": {}, "compared": "r1"}
    assert printed(capsys, result("base", "generated", supported=False, routed=routed)) == [
        "In 1874.",
        "From the model's memory: no passage supports this answer.",
        "base answered: the chances to be right: base 90%, rag 5%",
        "release r1 · base · 1.2 s",
    ]


def test_an_answer_from_the_past_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    says = "From the past (before May): release 2 of 2026-04-02 answers."
    assert says in printed(capsys, result("rag", "generated", past={"says": says}))
    assert printed(capsys, result("rag", "declined", answer=says, past={"says": says})).count(says) == 1


def test_a_quote_is_announced_before_it_and_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, result("rag", "quoted", answer="It was opened in 1874.", citations=[CITATION])) == [
        "Quoted, since no sentence clearly supports what the model wrote:",
        "It was opened in 1874.",
        "[1] harbour.md (2024-05-06, since release 3, version 0123456789ab)",
        "    Harbour > History",
        "release r1 · rag · 1.2 s",
    ]


def test_quotes_of_two_pages_are_numbered_and_said_to_differ(capsys: pytest.CaptureFixture[str]) -> None:
    other = {**CITATION, "document_id": "basin.md", "quote": "It opened in 1881."}
    quoted = "It was opened\nin 1874. It opened in 1881."
    shown = printed(capsys, result("rag", "quoted", answer=quoted, citations=[CITATION, other], differing=[1, 2]))
    assert shown[1:3] == ["It was opened", "in 1874. [1] It opened in 1881. [2]"]
    assert "These pages may disagree: [1] and [2] give different values." in shown


def test_two_sentences_of_one_place_are_cited_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    other = {**CITATION, "quote": "It closed in 1881."}
    elsewhere = {**CITATION, "heading": "Harbour > Trade"}
    shown = printed(capsys, result("rag", "generated", citations=[CITATION, other, elsewhere, CITATION]))
    assert [line for line in shown if line.startswith(("[", '    "'))] == [
        "[1] [2] [4] harbour.md (2024-05-06, since release 3, version 0123456789ab)",
        '    "It was opened in 1874."',
        '    "It closed in 1881."',
        "[3] harbour.md (2024-05-06, since release 3, version 0123456789ab)",
        '    "It was opened in 1874."',
    ]


def test_a_citation_whose_page_changed_since_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    changed = {**CITATION, "source": "changed", "date": None, "generation": None}
    assert printed(capsys, result("rag", "quoted", citations=[changed]))[2:5] == [
        "[1] harbour.md (version 0123456789ab)",
        "    Harbour > History",
        "    this page changed since; `lorag refresh` serves the change",
    ]
    removed = {**CITATION, "source": "removed"}
    older = printed(capsys, result("rag", "quoted", citations=[removed], release_served=False))
    assert "    this page was removed since" in older


def test_an_answer_from_memory_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, result("base", "generated", supported=False))
    assert lines == ["", "From the model's memory: no passage supports this answer.", "release r1 · base · 1.2 s"]


def test_a_declined_answer_needs_no_remark(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, result("rag", "declined", answer="Nothing relevant was found.", supported=False))
    assert lines == ["Nothing relevant was found.", "release r1 · rag · 1.2 s"]


def test_a_declined_answer_names_the_nearest_pages(capsys: pytest.CaptureFixture[str]) -> None:
    near = [{"document_id": "b.md", "heading": "Berths > 4", "quote": "Berth 4\nis deep."}]
    declined = {"answer": "Nothing relevant was found.", "supported": False, "nearest": near}
    lines = printed(capsys, result("rag", "declined", **declined))
    assert lines[1:-1] == ["Nearest: b.md: Berths > 4", '    "Berth 4 is deep."']


def status(**more: Any) -> dict[str, Any]:
    nothing = {"added": [], "changed": [], "removed": [], "renamed": []}
    none = {"count": 0, "first": []}
    empty = {"not_read": [], "copies": [], "flagged": [], "questions_without_page": none, "forgotten": none}
    empty["pending_folders"] = []
    values = {"served": "r1", "changes": nothing, "rejected": [], "questions_changed": False, "up_to_date": True}
    values |= {"waiting_s": None, "stale_retrieval": None, "withdrawn": []}
    return {**values, **empty, "models": {}, "remote": None, "services": {}, "adapters": {}, **more}


def test_strangers_11_a_status_names_the_first_of_many_files_and_counts_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    added = [f"page{number}.md" for number in range(1_200)]
    changes = {"added": added, "changed": ["a.md", "b.md"], "removed": [], "renamed": [["c.md", "d.md"]]}
    show_status(status(changes=changes, up_to_date=False))
    assert capsys.readouterr().out.splitlines() == [
        "Served: r1",
        *(f"  added    page{number}.md" for number in range(5)),
        "  added    1,195 more, 1,200 in all; --json lists them",
        "  changed  a.md",
        "  changed  b.md",
        "  renamed  c.md -> d.md",
        "Run `lorag refresh` to serve the changes.",
    ]


def test_strangers_11_a_status_does_not_call_everything_up_to_date_while_a_retrain_is_due(
    capsys: pytest.CaptureFixture[str],
) -> None:
    adapter = {"id": "tuned-1", "retrain": "now", "due": "2 updates since its last retrain", "stopped": []}
    adapter |= {"coverage": None, "facts": ["f"], "documents_gone": []}
    show_status(status(adapters={"tuned": adapter}))
    assert capsys.readouterr().out.splitlines()[1:] == [
        "The index is up to date.",
        "Adapter tuned tuned-1: behind, run `lorag retrain` now",
        "  because of 2 updates since its last retrain",
        "  new or changed: 1 fact, the first is f",
    ]
    show_status(status(withdrawn=["hybrid"]))
    assert capsys.readouterr().out.splitlines()[1:] == [
        "The index is up to date.",
        "Adapter hybrid: out of service, it may have learned from a forgotten document; run `lorag retrain` now",
    ]
    current = {**adapter, "retrain": "not", "due": "retrained in 7 days", "facts": []}
    show_status(status(adapters={"tuned": current}))
    assert capsys.readouterr().out.splitlines()[1:] == [
        "Up to date.",
        "Adapter tuned tuned-1: up to date",
        "  it is retrained in 7 days",
    ]


def test_a_status_says_how_long_a_change_waits_and_what_was_retrieved_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_status(status(waiting_s=3600.4, stale_retrieval={"passages": 40, "stale": 3, "rate": 0.075}))
    assert capsys.readouterr().out.splitlines()[1:-1] == [
        "The oldest of these changes waits for 3,600 s.",
        "Stale retrieval rate: 7.5% of 40 passages that were retrieved from this release.",
    ]
