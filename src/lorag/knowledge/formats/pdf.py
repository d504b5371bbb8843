"""PDF text by pypdf, and its tables by pdfplumber where that is installed. A page that is a picture has no text."""

import io
import logging
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lorag.counted import counted
from lorag.knowledge.documents import Block, BlockKind, Flag, Reason
from lorag.knowledge.formats.decoding import sniff
from lorag.knowledge.formats.parsed import Limits, ParsedDocument, Quarantine
from lorag.knowledge.formats.pdf_tables import TableFinder, open_tables
from lorag.knowledge.formats.pdf_text import PageText, join_cut_words, read_page

if TYPE_CHECKING:
    from pypdf import PdfReader

_HEADER_WINDOW = 1_024
_HTML = re.compile(rb"(?i)^\s*(?:<!doctype html|<html|<\?xml)")
_LONGEST_METADATA = 500


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse a PDF: the paragraphs of its text layer and its ruled tables, page by page, in the order of the file.

    For an encrypted one an empty password is tried. Pages that are only pictures are counted as `scanned_page`.
    """
    if b"%PDF-" not in data[:_HEADER_WINDOW]:
        kind = sniff(data) or ("HTML" if _HTML.match(data) else "no PDF")
        raise Quarantine(Reason.TYPE_MISMATCH, f"named .pdf, but is {kind}")
    tables = open_tables(data)
    from pypdf import PdfReader
    from pypdf.errors import LimitReachedError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Quarantine(Reason.ENCRYPTED, "needs a password; save it without one")
        pages, scanned = _read_pages(reader, tables, limits)
        information = reader.metadata
    except LimitReachedError as error:
        raise Quarantine(Reason.PARSER_LIMIT, f"a stream unpacks to more than is read: {error}") from None
    blocks = _blocks(pages)
    if not blocks:
        kind = "scanned, or without a text layer" if scanned else "without a text layer"
        raise Quarantine(
            Reason.NO_TEXT, f"{counted(len(pages), 'page')} {kind}; run OCR on it first, it is not done here"
        )
    title = _short(information.title if information else None)
    author = _short(information.author if information else None)
    flags = Counter({Flag.SCANNED_PAGE: scanned} if scanned else {})
    return ParsedDocument(title, tuple(blocks), {"author": author} if author else {}, flags)


def _read_pages(reader: "PdfReader", tables: TableFinder, limits: Limits) -> tuple[list[PageText], int]:
    """Return the pages, and how many of them are pictures without text."""
    pages: list[PageText] = []
    characters = scanned = 0
    for number, page in enumerate(reader.pages):
        text = read_page(page, tables.of_page(number, page))
        size = sum(len(part) for part in text.parts if isinstance(part, str))
        characters += size
        if characters > limits.max_characters:
            raise Quarantine(Reason.TOO_LARGE, f"more than {limits.max_characters} characters of text")
        scanned += not any(isinstance(part, Block) or part.strip() for part in text.parts) and _has_picture(page)
        pages.append(text)
    return pages, scanned


def _blocks(pages: Sequence[PageText]) -> list[Block]:
    blocks: list[Block] = []
    texts = [part for page in pages for part in page.parts if isinstance(part, str)]
    joined = iter(join_cut_words(texts))
    for page in pages:
        for part in page.parts:
            if isinstance(part, Block):
                blocks.append(part)
            else:
                paragraphs = re.split(r"\n\s*\n", next(joined))
                blocks += [Block(BlockKind.PARAGRAPH, text) for text in paragraphs if text.strip()]
    return blocks


def _has_picture(page: Any) -> bool:
    resources = page.get("/Resources")
    objects = resources.get_object().get("/XObject") if resources is not None else None
    if objects is None:
        return False
    return any(item.get_object().get("/Subtype") == "/Image" for item in objects.get_object().values())


def _short(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return " ".join(text.split())[:_LONGEST_METADATA]
