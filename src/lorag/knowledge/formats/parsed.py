"""The result of a parser, a document or a refusal, and its form as JSON for a pipe or a cache."""

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from lorag.knowledge.documents import Block, BlockKind, Flag, Reason
from lorag.knowledge.normalise import clean_text, tidy_block
from lorag.knowledge.secrets import find_secrets
from lorag.knowledge.sketches import sketch_text


class Limits(Protocol):
    """The part of `ParserParams` that parsers obey."""

    @property
    def max_depth(self) -> int:
        """The depth to which elements may nest."""

    @property
    def max_characters(self) -> int:
        """The number of characters that one document may hold."""


_LONGEST_DETAIL = 300


class Quarantine(Exception):
    """A verdict that one document cannot be used; the others are still processed. A long detail is cut."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        # It may quote a name in a damaged archive, which is as long as the damage makes it.
        detail = detail if len(detail) <= _LONGEST_DETAIL else f"{detail[:_LONGEST_DETAIL]}\u2026"
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document as its parser read it; `title` is empty if the format gives none.

    `notes` are for a person: where metadata is broken, and which kind of secret is in which line. `sketch` is that of
    the text of all blocks; empty until the document is finished.
    """

    title: str
    blocks: tuple[Block, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[Flag, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sketch: bytes = b""


@dataclass(frozen=True, slots=True)
class ParsedRecord:
    """One line of a records file: its number from 1, its id if any, and the document or the reason for having none."""

    line: int
    id: str
    result: ParsedDocument | Quarantine


@dataclass(frozen=True, slots=True)
class ParsedRecords:
    """All lines of a records file, in order."""

    records: tuple[ParsedRecord, ...]


ParseResult = ParsedDocument | ParsedRecords | Quarantine


def choose_title(explicit: str, blocks: Iterable[Block]) -> str:
    """Return `explicit`, else the first heading of level 1, else the first heading, else an empty text."""
    if explicit.strip():
        return " ".join(explicit.split())
    headings = [block for block in blocks if block.kind is BlockKind.HEADING]
    top = [block for block in headings if block.level == 1] or headings
    return " ".join(top[0].text.split()) if top else ""


def finish(document: ParsedDocument, limits: Limits) -> ParsedDocument:
    """Return the document with clean text, its sketch and no empty blocks.

    Raises Quarantine if nothing or too much is left.
    """
    flags = Counter(document.flags)
    whole = "\n".join([block.text for block in document.blocks])
    is_clean = clean_text(whole).text == whole  # usual: only entities bring back what was removed from the source
    blocks = []
    for block in document.blocks:
        text = block.text
        if not is_clean:
            cleaned = clean_text(text)
            flags.update(cleaned.flags)
            text = cleaned.text
        text = tidy_block(text)
        if text and not text.isspace():
            blocks.append(Block(block.kind, text, block.level))
    if not blocks:
        raise Quarantine(Reason.EMPTY_AFTER_PARSE, "no text is left after parsing")
    if (size := sum(len(block.text) for block in blocks)) > limits.max_characters:
        raise Quarantine(Reason.TOO_LARGE, f"{size} characters of text, at most {limits.max_characters} are allowed")
    title = " ".join(clean_text(document.title).text.split())
    metadata = {clean_text(key).text: clean_text(value).text.strip() for key, value in document.metadata.items()}
    sketch = sketch_text("\n".join([block.text for block in blocks]))
    found = {flag: flags[flag] for flag in sorted(flags)}
    return ParsedDocument(title, tuple(blocks), metadata, found, document.notes, sketch)


def with_secrets(document: ParsedDocument) -> ParsedDocument:
    """Return the document, with a flag and notes if it seems to hold live credentials."""
    text = "\n".join([document.title, *document.metadata.values(), *(block.text for block in document.blocks)])
    found = tuple(find_secrets(text))
    if not found:
        return document
    flags = {**document.flags, Flag.POSSIBLE_SECRET: len(found)}
    return replace(document, flags=flags, notes=document.notes + found)


def result_to_json(result: ParseResult) -> dict[str, Any]:
    """A JSON object that `result_from_json` reads back."""
    if isinstance(result, Quarantine):
        return {"reason": result.reason, "detail": result.detail}
    if isinstance(result, ParsedRecords):
        return {"records": [[record.line, record.id, result_to_json(record.result)] for record in result.records]}
    return {
        "title": result.title,
        "blocks": [[block.kind, block.level, block.text] for block in result.blocks],
        "metadata": dict(result.metadata),
        "flags": dict(result.flags),
        "notes": result.notes,
        "sketch": b64encode(result.sketch).decode(),
    }


def result_from_json(value: Mapping[str, Any]) -> ParseResult:
    """Return what `result_to_json` was given; raises KeyError, TypeError or ValueError on anything else."""
    if "records" in value:
        return ParsedRecords(tuple(_record_from_json(row) for row in value["records"]))
    return _document_from_json(value)


def _record_from_json(row: Sequence[Any]) -> ParsedRecord:
    line, record_id, result = row
    return ParsedRecord(int(line), str(record_id), _document_from_json(result))


def _document_from_json(value: Mapping[str, Any]) -> ParsedDocument | Quarantine:
    if "reason" in value:
        return Quarantine(Reason(value["reason"]), str(value["detail"]))
    return ParsedDocument(
        title=str(value["title"]),
        blocks=tuple(Block(BlockKind(kind), str(text), int(level)) for kind, level, text in value["blocks"]),
        metadata={str(key): str(text) for key, text in value["metadata"].items()},
        flags={Flag(flag): int(count) for flag, count in value["flags"].items()},
        notes=tuple(str(note) for note in value["notes"]),
        sketch=b64decode(value["sketch"]),
    )
