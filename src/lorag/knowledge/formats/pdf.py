"""PDF text by pypdf. A page that is a picture has none: there is no OCR."""

import io
import logging
import re
from typing import TYPE_CHECKING

from lorag.knowledge.documents import Block, BlockKind, Reason
from lorag.knowledge.formats.decoding import sniff
from lorag.knowledge.formats.parsed import Limits, ParsedDocument, Quarantine

if TYPE_CHECKING:
    from pypdf import PdfReader

_HEADER_WINDOW = 1_024
_HTML = re.compile(rb"(?i)^\s*(?:<!doctype html|<html|<\?xml)")
_LONGEST_METADATA = 500


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse a PDF: the paragraphs of its text layer, page by page. For an encrypted one an empty password is tried."""
    if b"%PDF-" not in data[:_HEADER_WINDOW]:
        kind = sniff(data) or ("HTML" if _HTML.match(data) else "no PDF")
        raise Quarantine(Reason.TYPE_MISMATCH, f"named .pdf, but is {kind}")
    from pypdf import PdfReader
    from pypdf.errors import LimitReachedError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Quarantine(Reason.ENCRYPTED, "needs a password; save it without one")
        blocks, pages = _read_pages(reader, limits)
        information = reader.metadata
    except LimitReachedError as error:
        raise Quarantine(Reason.PARSER_LIMIT, f"a stream unpacks to more than is read: {error}") from None
    if not blocks:
        raise Quarantine(
            Reason.NO_TEXT, f"{pages} pages without a text layer; run OCR on it first, it is not done here"
        )
    title = _short(information.title if information else None)
    author = _short(information.author if information else None)
    return ParsedDocument(title, tuple(blocks), {"author": author} if author else {})


def _read_pages(reader: "PdfReader", limits: Limits) -> tuple[list[Block], int]:
    blocks: list[Block] = []
    characters = 0
    for page in reader.pages:
        text = page.extract_text()
        characters += len(text)
        if characters > limits.max_characters:
            raise Quarantine(Reason.TOO_LARGE, f"more than {limits.max_characters} characters of text")
        blocks += [Block(BlockKind.PARAGRAPH, part) for part in re.split(r"\n\s*\n", text) if part.strip()]
    return blocks, len(reader.pages)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return " ".join(text.split())[:_LONGEST_METADATA]
