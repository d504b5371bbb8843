"""Great Expectations' Data Docs as pages that need no network. Equal data gives equal pages."""

import shutil
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from lxml import html

from lorag.evaluation.validation import SuiteResult

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h4, h5 { font-size: 1.1rem; margin: 1.6rem 0 .4rem; }
h6 { font-size: 1rem; margin: 1rem 0 .2rem; }
table { border-collapse: collapse; margin: .3rem 0 .8rem; }
td, th { border: 1px solid #8886; padding: .25rem .7rem; text-align: left; vertical-align: top; }
.badge { background: #8883; border-radius: .3em; padding: 0 .35em; font-family: ui-monospace, monospace; }
.text-danger { color: #c62828; } .text-success { color: #2e7d32; }
.fa-times::before { content: "\\2717"; color: #c62828; font-style: normal; font-weight: bold; }
.fa-check-circle::before { content: "\\2713"; color: #2e7d32; font-style: normal; }
.cooltip .top { display: none; }
"""

_PASSED = '<span class="text-success">\u2713 passed</span>'
_FAILED = '<span class="text-danger">\u2717 failed</span>'

# The elements that need a network or scripts, or that say when the page was made.
_REMOVED = (
    "//script | //link | //style | //nav | //footer | //button | //form | //img | //title | //meta"
    " | //*[contains(@class, 'ge-walkthrough-modal')] | //*[contains(@class, 'modal')] | //*[@id='ge-cta-footer']"
    " | //div[contains(concat(' ', @class, ' '), ' card ')] | //div[contains(@class, 'sticky')]"
    " | //*[contains(@id, '-collapse')] | //a[contains(@class, 'collapsed') or @data-toggle='collapse']"
)


def publish_data_docs(site: Path, out_dir: Path, suites: Sequence[SuiteResult]) -> None:
    """Replace `out_dir` with index.html and one page per suite, made from the pages that the library wrote to `site`.

    Raises FileNotFoundError if the library wrote no page for a suite.
    """
    shutil.rmtree(out_dir, ignore_errors=True)
    out_dir.mkdir(parents=True)
    for suite in suites:
        (out_dir / f"{suite.name}.html").write_text(_plain_page(_find_page(site, suite.name)), encoding="utf-8")
    (out_dir / "index.html").write_text(_index_page(suites), encoding="utf-8")


def _find_page(site: Path, suite: str) -> Path:
    for page in (site / "validations" / suite).rglob("*.html"):
        return page
    raise FileNotFoundError(f"no Data Docs page of suite {suite}")


def _plain_page(page: Path) -> str:
    tree: Any = html.fromstring(page.read_text(encoding="utf-8"), parser=html.HTMLParser(encoding="utf-8"))
    for element in tree.xpath(_REMOVED):
        if element.getparent() is not None:
            element.drop_tree()
    for element in tree.iter():
        _drop_links(element)
    body = tree.find("body")
    content = "".join(html.tostring(child, encoding="unicode") for child in body)
    return _page(page.parents[2].name, '<p><a href="index.html">All suites</a></p>' + content)


def _drop_links(element: Any) -> None:
    for name in list(element.attrib):
        if name.startswith("on") or name in ("href", "src", "style"):
            del element.attrib[name]


def _index_page(suites: Sequence[SuiteResult]) -> str:
    rows = "".join(
        f'<tr><td><a href="{escape(suite.name)}.html">{escape(suite.name)}</a></td>'
        f"<td>{_FAILED if suite.failed else _PASSED}</td>"
        f"<td>{suite.n_rows:,}</td><td>{suite.n_expectations}</td><td>{len(suite.failed)}</td></tr>"
        for suite in suites
    )
    failures = "".join(f"<li>{escape(failure.line())}</li>" for suite in suites for failure in suite.failed)
    head = "".join(f"<th>{name}</th>" for name in ("Suite", "Result", "Rows", "Expectations", "Failed"))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return _page("Validation", table + (f"<h4>Failures</h4><ul>{failures}</ul>" if failures else ""))


def _page(title: str, content: str) -> str:
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body><h1>{escape(title)}</h1>{content}</body></html>\n'
    )
