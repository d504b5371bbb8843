"""Formats: from the bytes of one file to blocks of text. A format is one module with `parse(data, limits)`."""

import importlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
from pathlib import PurePosixPath
from typing import cast

from lorag.knowledge.documents import Reason
from lorag.knowledge.formats.parsed import (
    Limits,
    ParsedDocument,
    ParsedRecord,
    ParsedRecords,
    ParseResult,
    Quarantine,
    finish,
    result_from_json,
    result_to_json,
    with_secrets,
)

__all__ = [
    "FORMATS",
    "RECORDS",
    "Limits",
    "ParseResult",
    "ParsedDocument",
    "ParsedRecord",
    "ParsedRecords",
    "Quarantine",
    "format_of",
    "load_parser",
    "parse_content",
    "parse_document",
    "parser_versions",
    "result_from_json",
    "result_to_json",
    "with_title",
]

PARSER_VERSION = 6
"""Raise it with every change that makes the same bytes parse differently."""

RECORDS = "documents.jsonl"
"""The name of the only kind of file that holds many documents, one a line."""

FORMATS: dict[str, str] = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".mdx": "mdx",
    ".rst": "rst",
    ".txt": "plain",
    ".html": "html",
    ".htm": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".pptx": "slides",
    ".xlsx": "sheets",
    ".csv": "delimited",
    ".tsv": "delimited",
    ".ipynb": "notebook",
    ".eml": "mail",
    ".adoc": "asciidoc",
    ".asciidoc": "asciidoc",
    RECORDS: "records",
}
"""Suffix to the name of a module: a name, because a run should import only the libraries of the formats it reads."""

LIBRARIES = (
    "docutils",
    "lxml",
    "markdown-it-py",
    "mdit-py-plugins",
    "pypdf",
    "openpyxl",
    "python-docx",
    "python-pptx",
    "ruamel.yaml",
    "detect-secrets",
)
"""The distributions whose version may change the result of a parser."""


EXTRAS = ("pdfplumber", "pdfminer.six")
"""Distributions that parsers use where they are installed."""


def parser_versions() -> dict[str, int | str]:
    """Return what decides how bytes parse: the version of the parsers, and those of their libraries."""
    versions: dict[str, int | str] = {"formats": PARSER_VERSION}
    versions |= {name: metadata.version(name) for name in LIBRARIES}
    for name in EXTRAS:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def format_of(name: str) -> str | None:
    """Return the key of FORMATS for a file name or path; None for a file that is not read."""
    path = PurePosixPath(name)
    if path.name == RECORDS:
        return RECORDS
    suffix = path.suffix.lower()
    return suffix if suffix in FORMATS else None


def parse_document(name: str, data: bytes, limits: Limits) -> ParsedDocument:
    """Return the document that the file `name` holds; its title is the file's stem if the file gives none.

    Raises Quarantine with the reason if it cannot be used.
    """
    kind = format_of(name)
    if kind is None or kind == RECORDS:
        raise Quarantine(Reason.UNSUPPORTED, f"{PurePosixPath(name).suffix or 'no suffix'} is not read as one document")
    result = parse_content(kind, data, limits)
    if isinstance(result, Quarantine):
        raise result
    assert isinstance(result, ParsedDocument)
    return with_title(result, name)


def with_title(document: ParsedDocument, name: str) -> ParsedDocument:
    """Return the document, with the file's stem as its title if it has none of its own."""
    if document.title:
        return document
    return replace(document, title=PurePosixPath(name).stem)


def parse_content(kind: str, data: bytes, limits: Limits) -> ParseResult:
    """Parse the bytes as `kind` (a key of FORMATS); a Quarantine is returned, not raised.

    Only MemoryError is raised: the caller that set the memory limit handles it.
    """
    try:
        if not data:
            raise Quarantine(Reason.EMPTY, "0 bytes")
        parsed = load_parser(kind)(data, limits)
        return parsed if isinstance(parsed, ParsedRecords) else with_secrets(finish(parsed, limits))
    except Quarantine as verdict:
        return verdict
    except RecursionError:
        return Quarantine(Reason.TOO_DEEP, "nested deeper than the parser can follow")
    except MemoryError:
        raise
    except Exception as error:
        # A library's parser may raise anything on bad bytes; the type is what a person can search for.
        message = "".join(character if character.isprintable() else " " for character in str(error)[:200])
        return Quarantine(Reason.PARSER_FAILED, f"{type(error).__name__}: {message}")


def load_parser(kind: str) -> Callable[[bytes, Limits], ParsedDocument | ParsedRecords]:
    """Import and return the parser for a key of FORMATS."""
    module = importlib.import_module(f"{__name__}.{FORMATS[kind]}")
    return cast("Callable[[bytes, Limits], ParsedDocument | ParsedRecords]", module.parse)
