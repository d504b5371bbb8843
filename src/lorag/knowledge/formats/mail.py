"""E-mails saved as .eml: the message as its reader sees it. Attachments are named and not opened."""

import email
from email.message import EmailMessage
from email.policy import default
from typing import cast

from lorag.knowledge.documents import Block, BlockKind, Reason
from lorag.knowledge.formats.decoding import decode_text, sniff
from lorag.knowledge.formats.html import read_html
from lorag.knowledge.formats.parsed import Limits, ParsedDocument, Quarantine
from lorag.knowledge.formats.plain import split_blocks

_HEADERS = ("From", "To", "Cc", "Date")


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse a message; its subject is the title, sender, receivers and date are metadata."""
    if kind := sniff(data):
        raise Quarantine(Reason.TYPE_MISMATCH, f"named as an e-mail, but is {kind}")
    message = email.message_from_bytes(data, policy=default)
    if not any(header in message for header in ("From", "Subject", "Date", "Received")):
        raise Quarantine(Reason.TYPE_MISMATCH, "named as an e-mail, but has no headers of one")
    body = message.get_body(preferencelist=("html", "plain"))
    blocks: list[Block] = []
    flags = None
    if body is not None:
        text = _text(cast("EmailMessage", body))
        if body.get_content_type() == "text/html":
            page = read_html(text, limits)
            blocks, flags = page.blocks, page.flags
        else:
            blocks = list(split_blocks(text))
    names = [name for part in message.iter_attachments() if (name := part.get_filename())]
    if names:
        blocks.append(Block(BlockKind.PARAGRAPH, f"Attachments: {', '.join(names)}"))
    metadata = {header.lower(): str(message[header]) for header in _HEADERS if message[header]}
    return ParsedDocument(str(message["Subject"] or ""), tuple(blocks), metadata, flags or {})


def _text(part: EmailMessage) -> str:
    """Return the text of a part, in its charset or, where that is wrong, in UTF-8."""
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    try:
        return data.decode(part.get_content_charset() or "utf-8")
    except (LookupError, UnicodeDecodeError):
        return decode_text(data).text
