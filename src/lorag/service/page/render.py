"""HTML from templates, as a whole page or as the part that htmx asked for."""

import functools
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from lorag.counted import counted
from lorag.service.page import words
from lorag.service.page.assets import address_of
from lorag.service.page.headers import PRIVATE
from lorag.service.routing import MAX_QUESTION

TABS = (
    ("ask", "/", "Ask"),
    ("compare", "/compare", "Compare"),
    ("knowledge", "/knowledge", "Knowledge"),
    ("figures", "/figures", "Figures"),
    ("questions", "/questions", "Questions"),
)


def wants_part(request: Request) -> bool:
    """Whether htmx asks, which puts the answer into a part of the page that is open."""
    return "hx-request" in request.headers


def html(template: str, **values: Any) -> str:
    """Return a filled template; every value is escaped."""
    return environment().get_template(template).render(**values)


def show(request: Request, template: str, *, code: int = 200, **values: Any) -> HTMLResponse:
    """Return a template alone if htmx asks, otherwise as the content of a whole page.

    `tab` names the tab that is open, `title` the page.
    """
    content = html(template, request=request, **values)
    if not wants_part(request):
        given = {
            "tab": values.get("tab"),
            "title": values.get("title", "lorag"),
            "signed_in": values.get("signed_in", True),
        }
        content = html("page.html.jinja", content=content, **given)
    return HTMLResponse(content, code, PRIVATE)


@functools.cache
def environment() -> Environment:
    """Return the templates of the page, and those that it shares with the report."""
    loader = ChoiceLoader([PackageLoader("lorag.service.page"), PackageLoader("lorag.reports")])
    made = Environment(loader=loader, undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.globals |= {"asset": address_of, "tabs": TABS, "longest_question": MAX_QUESTION}
    made.filters |= {
        "ago": words.ago,
        "moment": words.moment,
        "seconds": words.seconds,
        "count": counted,
        "plain": words.plain,
        "money": words.money,
        "short_id": words.short_id,
    }
    return made
