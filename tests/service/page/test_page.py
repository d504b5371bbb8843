"""The page without a browser: who may see it, what it sends, and that whatever a document says is text."""

import hashlib
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from lorag.releases.shelf import ReleaseShelf
from lorag.service.app import make_app
from lorag.service.page.answer_view import mark_differences
from lorag.service.page.assets import load_assets
from lorag.service.page.words import money, plain, seconds
from lorag.strategies import Strategy
from lorag.use_cases.change_params import change_params
from lorag.use_cases.serve.query_log import Verdict, read_candidates, read_queries
from tests.costs.recorded import recorded_timeline
from tests.service.conftest import running
from tests.service.page.conftest import HOSTILE, ORIGIN, PART, QUESTION, TABS, open_client, sign_in, with_reports
from tests.use_cases.conftest import Place, make_place


def ask(client: TestClient, question: str = QUESTION, strategy: str = "rag", headers: dict[str, str] = PART) -> Any:
    return client.post("/ask", data={"question": question, "strategy": strategy}, headers=headers)


def last_part(text: str) -> str:
    """The last event of a stream, as the page shows it."""
    event = text.strip().split("\n\n")[-1]
    return "\n".join(line.removeprefix("data: ") for line in event.split("\n"))


def hidden(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', text)
    assert found is not None
    return found[1]


def test_every_response_forbids_what_the_page_does_not_need(client: TestClient) -> None:
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    answered = [client.get(path) for path in (*TABS, "/sign-in", "/static/page.css", "/documents/none.md")]
    answered += [ask(client), client.post("/feedback", data={"verdict": "x"}, headers=PART)]
    for response in answered:
        assert response.headers.get("content-security-policy") == policy, (response.url, response.text[:300])
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "charset" in response.headers["content-type"]
    assert {client.get(path).headers["cache-control"] for path in TABS} == {"no-store"}


class Markup(HTMLParser):
    """Collects what a strict policy or a page without a network forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        self.inline += [name for name in given if name == "style" or name.startswith(("on", "hx-on"))]
        self.addresses += [given[name] or "" for name in ("src", "href", "action") if name in given]


def test_the_page_holds_no_inline_code_and_names_no_other_host(place: Place, client: TestClient) -> None:
    with_reports(place)
    parts = ("/figures/quality", "/figures/freshness", "/figures/policies", "/figures/costs")
    texts = [client.get(path).text for path in (*TABS, *parts)]
    texts += [last_part(ask(client).text), client.get("/sign-in").text]
    for text in texts:
        markup = Markup()
        markup.feed(text)
        assert markup.inline == []
        assert [each for each in markup.addresses if not each.startswith(("/", "#"))] == []
        assert len(text) < 60_000
    style = load_assets()["page.css"].content.decode()
    assert not re.findall(r"url\(|@import|https?:", style)


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_vendored_scripts_are_what_was_published(folder: str) -> None:
    here = files("lorag.service.page").joinpath("static", "vendored")
    place = Path(str(here)) if folder == "src" else Path(__file__).parent / "vendored"
    sums = [line.split() for line in (place / "SHA256SUMS").read_text().splitlines()]
    assert sums and {name for _, name in sums} == {path.name for path in place.glob("*.js")}
    for digest, name in sums:
        assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest
    assert list(place.glob("LICENSE*"))


def test_static_files_are_kept_by_the_browser_and_are_no_paths(client: TestClient) -> None:
    found = client.get("/static/htmx.js")
    assert "immutable" in found.headers["cache-control"] and len(found.content) > 30_000
    assert client.get("/static/htmx.js", headers={"If-None-Match": found.headers["etag"]}).status_code == 304
    for name in ("vendored/htmx.min.js", "..%2Fassets.py", "%2e%2e/%2e%2e/app.py", "page.py"):
        assert client.get(f"/static/{name}").status_code == 404, name


def test_the_colours_are_those_of_the_plots() -> None:
    style = load_assets()["page.css"].content.decode()
    for strategy in Strategy:
        assert f".region.{strategy} {{ fill: {strategy.profile.colour}; }}" in style


def test_an_answer_streams_in_and_tells_its_kind_release_and_cost(place: Place, client: TestClient) -> None:
    streamed = ask(client)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    parts = streamed.text.strip().split("\n\n")
    assert len(parts) >= 3 and 'aria-busy="true"' in parts[0] and "berths.md" not in parts[0]
    assert "Found in the documents" in parts[1] and "berths.md" in parts[1] and "9.10" not in parts[1]
    shown = last_part(streamed.text)
    assert "9.10 metres" in shown and "From release 2 of" in shown and "tokens" in shown and "aria-busy" not in shown
    whole = ask(client, headers=ORIGIN)
    assert whole.text.startswith("<!doctype html>") and "9.10 metres" in whole.text, "a browser without scripts"


def test_a_declined_question_names_the_nearest_pages(client: TestClient) -> None:
    shown = last_part(ask(client, "What does the Quellwick ferry cost?").text)
    assert (
        "may not answer it" in shown and "Berth 4 of the Quellwick basin" in shown and "/documents/berths.md" in shown
    )


def test_a_citation_leads_to_the_marked_place(client: TestClient) -> None:
    (address,) = set(re.findall(r'href="(/documents/[^"]+)#mark"', last_part(ask(client).text)))
    document = client.get(address.replace("&amp;", "&")).text
    assert re.search(r'<mark id="mark" tabindex="-1">[^<]*9\.10 metres', document)
    assert "Berths" in document
    missing = client.get("/documents/..%2F..%2Fparams.yaml")
    assert missing.status_code == 404 and "no such document" in missing.text.lower()


def test_what_a_document_or_a_person_writes_is_text(client: TestClient) -> None:
    shown = [
        last_part(ask(client, f"Which flag flies on Sundays {HOSTILE}?").text),
        last_part(client.post("/compare", data={"question": HOSTILE}, headers=PART).text),
        client.get("/documents/signals.txt").text,
        client.get("/", params={"question": f"</textarea>{HOSTILE}"}).text,
        ask(client, strategy=HOSTILE).text,
    ]
    for text in shown:
        assert "&lt;script&gt;" in text and "<script>" not in text


def test_errors_are_told_in_words(client: TestClient) -> None:
    assert "The question is empty" in ask(client, " ").text
    assert "no strategy" in ask(client, strategy="best").text.lower()
    assert "lorag retrain --adapter tuned" in last_part(ask(client, strategy="tuned").text)
    assert "release has no router, so auto cannot" in last_part(ask(client, strategy="auto").text)
    assert re.search(r"no router[^>]*><input[^>]*value=\"auto\" disabled", client.get("/").text)
    forgotten = client.post("/feedback", data={"verdict": "right", "answer": "none"}, headers=PART)
    assert forgotten.status_code == 404 and "no longer kept" in forgotten.text
    assert (
        client.post(
            "/ask",
            content=b"question=" + b"x" * 70_000,
            headers={**PART, "Content-Type": "application/x-www-form-urlencoded"},
        ).status_code
        == 413
    )
    assert client.post("/ask", json={"question": "x"}, headers=PART).status_code == 415


def test_a_verdict_is_noted_with_what_the_answer_came_from(place: Place, client: TestClient) -> None:
    answer = hidden(last_part(ask(client).text), "answer")
    for verdict in (Verdict.WRONG, Verdict.NOT_IN_DOCUMENTS):
        assert "Noted" in client.post("/feedback", data={"verdict": verdict, "answer": answer}, headers=PART).text
        with place.workspace.question_candidates_file.open("a") as file:
            file.write('{"half": ')
    before, newest = read_candidates(place.workspace.question_candidates_file)[-2:]
    assert (newest.verdict, before.verdict) == (Verdict.NOT_IN_DOCUMENTS, Verdict.WRONG)
    assert newest.question == QUESTION and newest.passages[0].document_id == "berths.md" and newest.query == answer
    assert newest.release == ReleaseShelf(place.workspace.state).served_id()
    assert QUESTION in client.get("/questions").text
    assert client.post("/feedback", data={"verdict": "good", "answer": answer}, headers=PART).status_code == 400


def test_strategies_stand_side_by_side_over_one_search(place: Place, client: TestClient) -> None:
    parts = client.post("/compare", data={"question": QUESTION}, headers=PART).text.strip().split("\n\n")
    assert [part.count('aria-busy="true"') for part in parts] == [5, 5, 4, 3, 2, 1, 0]
    assert [query.strategy for query in read_queries(place.workspace.queries_file)[-2:]] == ["base", "rag"]
    board = last_part(parts[-1])
    assert "shared by all that read" in board and "agrees with no other" in board
    assert "lorag retrain --adapter tuned" in board.replace("<span>", "").replace("</span>", "")
    assert board.count('name="answer"') == 2


def test_an_older_release_answers_beside_the_served_one(place: Place, client: TestClient) -> None:
    shown = last_part(ask(client).text)
    assert "new or changed in this release" in shown
    given = {"answer": hidden(shown, "answer"), "release": place.shelf.releases()[1].id}
    both = client.post("/as-of", data=given, headers=PART).text
    assert re.search(r"<del>[^<]*7\.25", both) and re.search(r"<ins>[^<]*9\.10", both)
    assert "Cited pages that changed in between: berths.md" in both
    older = client.get(f"/documents/kitchen.md?release={given['release']}").text
    assert "kippers" in older and "may stand in another order" in older
    assert client.get("/documents/kitchen.md").status_code == 404, "gone from the served release"


def test_an_answer_from_the_past_says_which_release_it_is_from(client: TestClient) -> None:
    shown = last_part(
        ask(client, "How deep was berth 4 of the Quellwick basin at the lowest tide before release 2?").text
    )
    assert "7.25" in shown and "From the past (before release 2): release 1 of" in shown


def test_what_changed_and_what_is_pending_is_shown_with_the_commands(client: TestClient) -> None:
    knowledge = re.sub(r"</?span>", "", client.get("/knowledge").text)
    assert "1 page changed" in knowledge and "1 page removed" in knowledge and "lorag rollback 1" in knowledge
    pending = client.get("/knowledge/pending").text
    assert "1 page added" in pending and "the file is empty" in pending
    assert "The first release: every page in it was new." in knowledge


def test_each_release_has_a_page_with_its_card(client: TestClient) -> None:
    (newest, *_) = re.findall(r'href="(/releases/[^"]+)"', client.get("/knowledge").text)
    shown = client.get(newest).text
    assert "Release 2" in shown and "berths.md" in shown and "kitchen.md" in shown and "not measured" in shown
    assert client.get("/releases/9").status_code == 404


def test_empty_states_say_what_to_do(tmp_path: Path) -> None:
    place = make_place(tmp_path)
    with open_client(place) as client:
        sign_in(client)
        bare = {path: re.sub(r"</?span>", "", client.get(path).text) for path in TABS}
    for path in ("/", "/compare", "/knowledge", "/knowledge/pending"):
        assert "lorag refresh" in bare[path], path
    assert "lorag compare" in bare["/figures"] and "lorag timeline" in bare["/figures"]
    (place.workspace.state / "comparison.json").write_text('{"limit": 30}')
    with open_client(place) as client:
        sign_in(client)
        limited = client.get("/figures").text
    assert "asked 30 facts at most" in limited and "No comparison yet" not in limited
    assert "lorag questions draft" in bare["/questions"] and "No verdicts yet" in bare["/questions"]


def test_figures_are_drawn_from_the_newest_reports(place: Place, client: TestClient) -> None:
    with_reports(place)
    assert "hybrid answers most facts right" in client.get("/figures").text
    quality, freshness = (
        client.get("/figures/quality", headers=PART).text,
        client.get("/figures/freshness", headers=PART).text,
    )
    assert quality.count("<svg") == 2 and freshness.count("<svg") == 2
    assert ">Quality, with 95% intervals</text>" in quality, "letters are text"
    assert client.get("/figures/report").status_code == 404
    (place.workspace.comparison_page).write_text("<!doctype html><title>t</title>")
    report = client.get("/figures/report")
    assert report.status_code == 200 and "script-src 'none'" in report.headers["content-security-policy"]
    (place.workspace.reports / "comparison.json").write_text("{}")
    assert "Damaged report" in client.get("/figures").text


def test_words_that_differ_are_marked_and_lines_stay() -> None:
    left, right = mark_differences("berth 4\nis 7.25 m deep", "berth 4\nis 9.10 m deep")
    assert [(piece.text, piece.is_own) for piece in left] == [
        ("berth 4\nis ", False),
        ("7.25 ", True),
        ("m deep", False),
    ]
    assert [piece.text for piece in right if piece.is_own] == ["9.10 "]


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (money(0.00001234, "EUR"), "0.000012 EUR"),
        (money(0, "EUR"), "0 EUR"),
        (money(1234.5, "EUR"), "1,234.50 EUR"),
        (seconds(0.0312), "0.03 s"),
        (seconds(61), "61.0 s"),
        (seconds(600), "10 min"),
        (plain(3.1622776601683795), "3.2"),
        (plain(12345.6), "12,346"),
        (plain(0.01), "0.01"),
    ],
)
def test_numbers_have_the_digits_that_matter(shown: str, wanted: str) -> None:
    assert shown == wanted


def test_the_answers_of_the_page_are_in_the_log(place: Place, client: TestClient) -> None:
    shown = last_part(ask(client).text)
    newest = read_queries(place.workspace.queries_file)[-1]
    assert (newest.door, newest.key, newest.question) == ("page", "owner", QUESTION)
    assert newest.id == hidden(shown, "answer")
    given = {"answer": newest.id, "release": place.shelf.releases()[1].id}
    client.post("/as-of", data=given, headers=PART)
    assert read_queries(place.workspace.queries_file)[-1].release == given["release"]


def test_a_page_that_changed_since_is_said_at_its_citation(place: Place, client: TestClient) -> None:
    page = place.source / "berths.md"
    text = page.read_text()
    try:
        page.write_text(text + "\nIt was dredged.\n")
        assert "The page changed in the source since. Run <code>lorag refresh</code>" in last_part(ask(client).text)
        page.unlink()
        assert "The page was removed from the source since" in last_part(ask(client).text)
    finally:
        page.write_text(text)
    shown = last_part(ask(client).text)
    assert "in the source since" not in shown and re.search(r"Page of <time datetime=.\d{4}-\d\d-\d\d", shown)


def test_a_full_queue_is_said_in_words(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    params = place.workspace.params_file
    text = params.read_text()
    params.write_text(text.replace("answers_at_once: 8", "answers_at_once: 1").replace("queue: 16", "queue: 0"))
    # The first one is not over before the others have asked.
    all_asked = threading.Event()

    def hold(*_: object, **__: object) -> list[object]:
        all_asked.wait(120)
        return []

    monkeypatch.setattr("lorag.service.page.compare.answer_each", hold)
    try:
        app = make_app(place.workspace, {}, "secret")
        with running(app) as address:
            headers = {"Origin": address, "HX-Request": "true"}
            with httpx.Client(base_url=address, timeout=60) as client:
                client.post("/sign-in", data={"key": "secret"}, headers=headers)
                # The first part of a comparison comes once it has the only place.
                with client.stream("POST", "/compare", data={"question": QUESTION}, headers=headers) as comparing:
                    next(comparing.iter_text())
                    asked: dict[str, Any] = {"data": {"question": QUESTION}, "cookies": client.cookies, "timeout": 60}
                    ways = [(path, sent) for path in ("/ask", "/compare") for sent in (headers, {"Origin": address})]
                    with ThreadPoolExecutor(len(ways)) as pool:
                        refused = [*pool.map(lambda way: httpx.post(address + way[0], headers=way[1], **asked), ways)]
                    all_asked.set()
    finally:
        all_asked.set()
        params.write_text(text)
    for response in refused:
        assert response.status_code == 429 and response.headers["retry-after"] == "1"
        assert "requests are answered" in response.text and "ask again in a second" in response.text


def test_the_policies_the_one_in_force_and_the_next_retrain_are_shown(place: Place, client: TestClient) -> None:
    with_reports(place)
    params = place.workspace.params_file
    model = str(place.params.generation.model)
    report = place.workspace.reports / "timeline.json"
    report.write_text(report.read_text().replace(recorded_timeline("sample").model, model))
    assert 'hx-get="/figures/policies"' in client.get("/figures").text
    policies = client.get("/figures/policies", headers=PART).text
    assert "In force: no strategy is chosen; tuned is retrained every 7 days" in policies and "--follow" in policies
    assert "No adapter is served" in policies and "hybrid, once" in policies
    place.publish_adapter(1)
    before = params.read_text()
    change_params(params, {"policy": {"strategy": "rag"}})
    due = client.get("/figures/policies", headers=PART).text
    params.write_text(before)
    assert "In force: rag, nothing is trained for it." in due
    assert "Adapter tuned: it is retrained when a document that it learned is removed, because policy" in due
