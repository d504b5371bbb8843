"""What Chromium shows of a page, compared with what is read of it, both ways."""

import json
import re
import shutil
import subprocess
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import pytest

from lorag.knowledge.documents import BlockKind, Flag
from lorag.knowledge.formats import ParsedDocument, parse_document
from tests.varied_pages import LINKED_SHEET, markdown_pages, varied_page

LIMITS = SimpleNamespace(max_depth=200, max_characters=5_000_000)
ROOT = Path(__file__).parents[2]

# Text that a person does not see is taken out of each page; what is left is as Chromium lays it out.
MEASURE = """
<!doctype html><meta charset=utf-8><body><script>
const pages = PAGES, found = [];
const clear = colour => colour === 'rgba(0, 0, 0, 0)';
function ground(element, view) {
  for (; element; element = element.parentElement) {
    const style = view.getComputedStyle(element);
    if (style.backgroundImage !== 'none') return 'image';
    if (!clear(style.backgroundColor)) return style.backgroundColor;
  }
  return 'rgb(255, 255, 255)';
}
function isSeen(text, view) {
  const element = text.parentElement, style = view.getComputedStyle(element);
  if (!element.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})) return false;
  if (parseFloat(style.fontSize) === 0 || style.clipPath === 'inset(50%)') return false;
  const range = view.document.createRange();
  range.selectNodeContents(text);
  const box = range.getBoundingClientRect();
  if (box.right < 0 || box.bottom < 0) return false;
  return element.namespaceURI.endsWith('svg') || style.color !== ground(element, view);
}
async function measure(html) {
  const frame = document.createElement('iframe');
  frame.width = 1000; frame.height = 1000;
  await new Promise(done => { frame.onload = done; frame.srcdoc = html; document.body.append(frame); });
  const page = frame.contentDocument, view = frame.contentWindow, hidden = [];
  page.querySelectorAll('details').forEach(item => item.open = true);
  page.querySelectorAll('sup, sub, mi, mn, rt, a.headerlink').forEach(item => { item.before(' '); item.after(' '); });
  page.querySelectorAll('script, noscript, template, nav, select').forEach(item => item.remove());
  page.querySelectorAll('img').forEach(item => item.replaceWith(item.alt));
  const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT), texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts.filter(text => text.data.trim() && !isSeen(text, view))) {
    hidden.push(text.data);
    text.data = ' ';
  }
  page.querySelectorAll('svg').forEach(item => item.replaceWith(' ' + [...item.querySelectorAll('text')].map(
    label => label.textContent).join(' ') + ' '));
  const seen = page.body.innerText;
  frame.remove();
  return {seen, hidden};
}
(async () => {
  for (const html of pages) found.push(await measure(html));
  const out = document.createElement('pre');
  out.id = 'found';
  out.textContent = JSON.stringify(found);
  document.body.append(out);
})();
</script>
"""


@dataclass(frozen=True)
class Seen:
    seen: Counter[str]
    hidden: Counter[str]


def words_of(text: str) -> Counter[str]:
    """The words, with raised and lowered figures apart from the word before them."""
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉]+", lambda match: f" {match[0]} ", text)
    return Counter(re.findall(r"\d+|[^\W\d_]+", unicodedata.normalize("NFKC", text)))


def show(pages: Sequence[str], folder: Path) -> list[Seen]:
    """Return what Chromium shows of each page, and what it hides."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium; on Debian: apt-get install chromium")
    (folder / LINKED_SHEET).write_text(".away { display: none }")
    place = folder / "measure.html"
    place.write_text(MEASURE.replace("PAGES", json.dumps(pages).replace("</", "<\\/")), encoding="utf-8")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000", "--dump-dom"]
    command = [chromium, *options, f"--user-data-dir={folder / 'profile'}", place.as_uri()]
    done = subprocess.run(command, capture_output=True, timeout=300, check=True)
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout.decode(), re.DOTALL)
    assert match, done.stderr.decode()[-2_000:]
    found = json.loads(unescape(match[1]))
    return [Seen(words_of(item["seen"]), words_of(" ".join(item["hidden"]))) for item in found]


def read(name: str, text: str) -> tuple[ParsedDocument, Counter[str]]:
    """Return the document with its words, without the markers of lists, which no page holds as text."""
    document = parse_document(name, text.encode(), LIMITS)
    texts = [
        re.sub(r"(?m)^\s*(?:-|\w+\.)(?:\s|$)", " ", block.text) if block.kind is BlockKind.LIST else block.text
        for block in document.blocks
    ]
    return document, words_of("\n".join(texts))


def compare(sources: Sequence[tuple[str, str]], shown: Sequence[Seen]) -> None:
    """Assert that each page's words are read, that nothing else is, and that what is hidden and read is flagged."""
    missed = total = 0
    for (name, text), page in zip(sources, shown, strict=True):
        document, found = read(name, text)
        lost = page.seen - found
        assert lost.total() <= 0.02 * page.seen.total(), (text, lost)
        missed, total = missed + lost.total(), total + page.seen.total()
        extra = set(found) - set(page.seen)
        assert len(extra - set(page.hidden)) <= 0.01 * len(found), (text, extra)
        if extra & set(page.hidden):
            assert {Flag.MAYBE_HIDDEN, Flag.LINKED_STYLES} & set(document.flags), (text, extra & set(page.hidden))
        unseen = set(page.hidden) - set(page.seen) - set(found)
        if unseen:
            assert Flag.HIDDEN_TEXT in document.flags, (text, unseen)
    assert missed <= 0.01 * total, f"{missed} of {total} words that are seen were not read"


def compare_pages(folder: Path, *, html: int, markdown: int) -> None:
    generated = [varied_page(seed) for seed in range(1, html + 1)]
    rendered = markdown_pages(ROOT, markdown)
    assert len(rendered) == markdown
    sources = [("a.html", page) for page in generated] + [("a.md", text) for text, _ in rendered]
    compare(sources, show([*generated, *(page for _, page in rendered)], folder))


def test_six_pages_are_read_as_chromium_shows_them(tmp_path: Path) -> None:
    compare_pages(tmp_path, html=4, markdown=2)


@pytest.mark.full
def test_sixty_pages_are_read_as_chromium_shows_them(tmp_path: Path) -> None:
    compare_pages(tmp_path, html=40, markdown=20)
