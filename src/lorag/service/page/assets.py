"""The files that the page's HTML names, held in memory: a request never becomes a path."""

import functools
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from fastapi import APIRouter, HTTPException, Request, Response

from lorag.reports.page import sections_css
from lorag.service.page.headers import HEADERS

_SCRIPT = "text/javascript; charset=utf-8"
_STYLE = "text/css; charset=utf-8"
_ICON = "image/svg+xml; charset=utf-8"
_SOURCES = {
    "htmx.js": ("vendored/htmx.min.js", _SCRIPT),
    "hx-sse.js": ("vendored/hx-sse.min.js", _SCRIPT),
    "page.js": ("page.js", _SCRIPT),
    "page.css": ("page.css", _STYLE),
    "icon.svg": ("icon.svg", _ICON),
}
_A_YEAR_S = 31_536_000


@dataclass(frozen=True, slots=True)
class Asset:
    """A file with its type; `version` changes with its content."""

    content: bytes
    compressed: bytes
    media_type: str
    version: str


@functools.cache
def load_assets() -> Mapping[str, Asset]:
    """Return the files by the name in their address."""
    folder = files("lorag.service.page").joinpath("static")
    contents = {name: folder.joinpath(*path.split("/")).read_bytes() for name, (path, _) in _SOURCES.items()}
    # The report and the page look the same.
    contents["page.css"] = sections_css().encode() + contents["page.css"]
    return {name: _asset(content, _SOURCES[name][1]) for name, content in contents.items()}


def _asset(content: bytes, media_type: str) -> Asset:
    version = hashlib.sha256(content).hexdigest()[:12]
    return Asset(content, gzip.compress(content, mtime=0), media_type, version)


def address_of(name: str) -> str:
    """Return the address of a file, which is another one after each change of it."""
    return f"/static/{name}?v={load_assets()[name].version}"


def assets_router() -> APIRouter:
    """Return the route of the files, which need no key: they say nothing about the knowledge."""
    router = APIRouter(include_in_schema=False)

    @router.get("/static/{name}")
    def asset(name: str, request: Request) -> Response:
        found = load_assets().get(name)
        if found is None:
            raise HTTPException(404, "no such file")
        headers = {
            **HEADERS,
            "Cache-Control": f"public, max-age={_A_YEAR_S}, immutable",
            "ETag": f'"{found.version}"',
            "Vary": "Accept-Encoding",
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(
                found.compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=found.media_type
            )
        return Response(found.content, headers=headers, media_type=found.media_type)

    return router
