"""The page in a real browser: what a person does, on a desk and on a phone, by day and by night."""

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from lorag.costs.ledger import Ledger
from lorag.errors import Overloaded
from lorag.questions.questions import read_questions
from lorag.reports.costs_sections import break_even_section, ledger_section
from lorag.service.app import make_app
from lorag.service.page.break_even_view import draw_chart
from lorag.service.page.render import html
from lorag.use_cases.draft.drafts_file import DraftsFile
from lorag.use_cases.serve.query_log import Verdict, read_candidates
from tests.costs.measured import ALL, CHART, found
from tests.drafting.test_records import DRAFT
from tests.servers import free_port
from tests.service.page.conftest import QUESTION, with_reports
from tests.use_cases.conftest import Place

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = Path("/usr/bin/chromium")
AXE = Path(__file__).parent / "vendored" / "axe.min.js"
SLOW_MS = 60_000
SERIOUS = ("serious", "critical")
TABS = ("/", "/compare", "/knowledge", "/figures", "/questions")

FULL = Overloaded("1 requests are answered and 0 wait", do="Ask again in a second")

pytestmark = pytest.mark.skipif(not CHROMIUM.is_file(), reason="there is no /usr/bin/chromium")


@dataclass
class Opened:
    """A page, with everything that it must not do: errors in the console, and requests to other hosts."""

    page: Any
    base: str
    faults: list[str] = field(default_factory=list)

    def go(self, path: str) -> Any:
        self.page.goto(self.base + path)
        return self.page

    def ask(self, question: str = QUESTION) -> Any:
        page = self.go("/")
        page.fill("#question", question)
        page.keyboard.press("Enter")
        page.wait_for_selector(".answer footer")
        return page

    def width(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth"))


@pytest.fixture(scope="module")
def base(place: Place) -> Iterator[str]:
    with_reports(place)
    drafts = DraftsFile.of(place.workspace, None)
    for number in range(1, 5):
        drafts.append(DRAFT.model_copy(update={"id": f"draft-{number}", "question": f"When is lamp {number} lit?"}))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(make_app(place.workspace, {}, "secret"), port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def session(browser: Any, base: str) -> Any:
    context = browser.new_context()
    page = context.new_page()
    page.goto(base)
    page.fill("#key", "secret")
    page.keyboard.press("Enter")
    page.wait_for_selector("#question")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def opened(browser: Any, base: str, session: Any, request: pytest.FixtureRequest) -> Iterator[Opened]:
    marker = request.node.get_closest_marker("parametrize")
    look = request.node.callspec.params.get("look", {}) if marker else {}
    context = browser.new_context(storage_state=session, **look)
    page = context.new_page()
    page.set_default_timeout(SLOW_MS)
    found = Opened(page, base)
    page.on("console", lambda said: found.faults.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.faults.append(str(error)))
    page.on("request", lambda sent: None if sent.url.startswith(base) else found.faults.append(sent.url))
    yield found
    context.close()
    assert found.faults == []


def test_a_wrong_key_is_told_in_words(browser: Any, base: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{base}/figures")
    page.fill("#key", "guess")
    page.keyboard.press("Enter")
    assert "This is not the key" in page.inner_text("[role=alert]")
    assert page.evaluate("document.activeElement.id") == "key"
    page.fill("#key", "secret")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base}/figures")
    context.close()


def test_an_answer_comes_and_its_citation_opens_at_the_mark(opened: Opened) -> None:
    page = opened.ask()
    assert "9.10 metres" in page.inner_text(".answer > .said")
    page.click(".citations .title")
    mark = page.wait_for_selector("mark")
    assert "9.10 metres" in mark.inner_text()
    box = mark.bounding_box()
    assert 0 <= box["y"] < page.viewport_size["height"]
    page.go_back()
    assert "9.10 metres" in page.inner_text(".answer > .said"), "the way back leads to the answer"


def test_the_same_question_of_an_older_release_and_a_verdict(opened: Opened, place: Place) -> None:
    page = opened.ask()
    page.click(".as-of button")
    page.wait_for_selector(".sides")
    assert "7.25" in page.inner_text(".sides del") and "9.10" in page.inner_text(".sides ins")
    page.click(".verdicts [value=stale]")
    page.wait_for_selector("p.verdicts")
    assert read_candidates(place.workspace.question_candidates_file)[-1].verdict is Verdict.STALE


def test_strategies_are_compared(opened: Opened) -> None:
    page = opened.go("/compare")
    page.fill("#question", QUESTION)
    page.click(".go")
    page.wait_for_selector(".board-head:not([aria-busy])")
    assert page.locator(".column").count() == 4
    assert "lorag retrain --adapter hybrid" in page.inner_text(".column:last-child")


def test_drafts_are_decided_by_keys_that_do_nothing_while_somebody_types(opened: Opened, place: Place) -> None:
    page = opened.go("/questions")

    def press(key: str, then: str) -> None:
        page.keyboard.press(key)
        page.wait_for_selector(f".draft h3:has-text('{then}')")

    press("a", "lamp 2")
    press("s", "lamp 3")
    press("d", "lamp 4")
    page.keyboard.press("e")
    page.wait_for_selector(".draft textarea[name=question]:focus")
    page.keyboard.press("End")
    page.keyboard.type(" ads")
    page.keyboard.press("Escape")
    assert page.locator(".draft textarea[name=question]").is_hidden()
    page.keyboard.press("e")
    page.click(".draft [value=edit]")
    page.wait_for_selector(".draft h3:has-text('lamp 2')")
    drafts = DraftsFile.of(place.workspace, None).read()
    assert [(draft.status.value, draft.question) for draft in drafts] == [
        ("accepted", "When is lamp 1 lit?"),
        ("open", "When is lamp 2 lit?"),
        ("dropped", "When is lamp 3 lit?"),
        ("accepted", "When is lamp 4 lit? ads"),
    ]


def test_a_candidate_becomes_a_test_question(opened: Opened, place: Place) -> None:
    page = opened.ask()
    page.click(".verdicts [value=wrong]")
    page.wait_for_selector("p.verdicts")
    page = opened.go("/questions")
    page.click(".candidates li:first-child a[hx-get]")
    page.fill(".candidate [name=answer]", "9.10 metres")
    page.press(".candidate [name=page]", "Enter")
    assert page.locator(".candidate").count() == 1, "Enter in a field presses no button"
    page.click(".candidate [value=quoted_wrong]")
    assert "Added to questions.jsonl" in page.wait_for_selector(".candidates [role=status]").inner_text()
    newest = read_questions(place.workspace.resolve(place.params.knowledge.questions))[-1]
    assert (newest.question, newest.answers) == (QUESTION, ("9.10 metres",))


def test_a_full_queue_is_said_in_words(opened: Opened) -> None:
    page = opened.go("/")
    page.route("**/ask", lambda route: route.fulfill(status=429, body=html("error.html.jinja", error=FULL)))
    page.fill("#question", QUESTION)
    page.click(".go")
    assert "Ask again" in page.wait_for_selector("#answer [role=alert]").inner_text()
    assert all("429" in fault for fault in opened.faults), "the browser's own words alone"
    opened.faults.clear()


def test_everything_can_be_reached_by_keys(opened: Opened) -> None:
    page = opened.go("/knowledge")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    seen = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert seen == "solid"


def test_the_break_even_follows_pointer_and_keys(opened: Opened) -> None:
    chart = draw_chart(found(), CHART, 500, 500)
    section, history = break_even_section(found(), draws=False), ledger_section(Ledger(tuple(ALL)))
    part = html("costs.html.jinja", section=section, chart=chart, history=history, n_entries=len(ALL))
    # What the service sends of a ledger with every strategy, which takes hours to measure.
    opened.page.route("**/figures/costs", lambda route: route.fulfill(body=part, content_type="text/html"))
    page = opened.go("/figures")
    page.wait_for_selector("#updates")
    for key, cheapest in (("End", "rag"), ("Home", "tuned")):
        page.focus("#updates")
        page.keyboard.press(key)
        assert page.inner_text("tr.cheapest th").strip() == cheapest
    page.locator(".break-even svg").hover(position={"x": 500, "y": 250})
    assert page.inner_text("tr.cheapest th").strip() == "rag"
    assert page.inner_text("output.updates") != "0.01"


def test_a_service_that_is_down_is_told_in_words(opened: Opened) -> None:
    page = opened.go("/")
    page.route("**/ask", lambda route: route.abort())
    page.fill("#question", QUESTION)
    page.click(".go")
    assert "lorag serve" in page.wait_for_selector("#answer [role=alert]").inner_text()
    assert all("ERR_FAILED" in fault or "fetch" in fault for fault in opened.faults), "the browser's own words alone"
    opened.faults.clear()


LOOKS = {
    "desk": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 375, "height": 812}, "color_scheme": "dark"},
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_nothing_is_cut_and_axe_finds_nothing_serious(opened: Opened, look: dict[str, Any]) -> None:
    wide = look["viewport"]["width"]
    for tab in TABS:
        page = opened.go(tab) if tab != "/" else opened.ask()
        page.wait_for_selector(".waiting", state="detached")
        assert opened.width() <= wide, tab
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate("axe.run()")["violations"]
        assert [
            (each["id"], [node["html"] for node in each["nodes"]]) for each in found if each["impact"] in SERIOUS
        ] == []
    dark = look["color_scheme"] == "dark"
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", colour)[:3])) < 80) is dark


def test_the_page_is_there_at_once(opened: Opened) -> None:
    opened.go("/")
    timing = opened.page.evaluate(
        """() => new Promise((found) => new PerformanceObserver((list) => {
             const paint = list.getEntriesByName("first-contentful-paint")[0];
             if (paint) found(paint.startTime);
           }).observe({ type: "paint", buffered: true }))"""
    )
    # 200 ms on idle cores; a test suite has none.
    assert timing < 2_000


# The last one, because the others know the releases before.
def test_a_page_that_is_open_answers_from_what_was_refreshed(opened: Opened, place: Place) -> None:
    page = opened.ask("How much does the crane lift?")
    assert "40 tonnes" not in page.inner_text("#answer")
    (place.source / "empty.md").unlink()
    released = place.refresh().generation
    page.fill("#question", "How much does the crane of the basin lift?")
    page.click(".go")
    page.wait_for_selector(f".answer:has-text('release {released} of') footer")
    assert "40 tonnes" in page.inner_text("#answer")
