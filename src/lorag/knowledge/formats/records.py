"""`documents.jsonl`: one JSON object a line with `id`, `title`, `text` and metadata."""

import json
from collections import Counter
from typing import Any, NoReturn

from lorag.knowledge.documents import Flag, Reason
from lorag.knowledge.formats.decoding import decode_text
from lorag.knowledge.formats.front_matter import WrittenFloat, metadata_of, split_front_matter
from lorag.knowledge.formats.parsed import (
    Limits,
    ParsedDocument,
    ParsedRecord,
    ParsedRecords,
    Quarantine,
    choose_title,
    finish,
    with_secrets,
)
from lorag.knowledge.formats.plain import split_blocks
from lorag.knowledge.normalise import clean_text

_MAX_ID = 500


def parse(data: bytes, limits: Limits) -> ParsedRecords:
    """Parse every record of the file: a bad one is quarantined with its line, and the others are still used.

    A record may lack a title; every other key with a scalar value becomes metadata.
    """
    text = decode_text(data).text
    records = [
        _read_record(number, line, limits) for number, line in enumerate(text.split("\n"), start=1) if line.strip()
    ]
    if not records:
        raise Quarantine(Reason.EMPTY_AFTER_PARSE, "no records")
    return ParsedRecords(tuple(records))


def _read_record(number: int, line: str, limits: Limits) -> ParsedRecord:
    record_id = ""
    try:
        record = _load(line)
        given = record.get("id")
        if not isinstance(given, str) or not given.strip() or len(given) > _MAX_ID:
            raise Quarantine(Reason.BAD_RECORD, f"`id` must be text of 1 to {_MAX_ID} characters")
        if clean_text(given).text != given or "\n" in given:
            raise Quarantine(Reason.BAD_RECORD, "`id` holds control, unseen or uncomposed characters")
        record_id = given
        return ParsedRecord(number, record_id, with_secrets(finish(_read_document(record), limits)))
    except Quarantine as verdict:
        return ParsedRecord(number, record_id, verdict)


def _load(line: str) -> dict[str, Any]:
    try:
        record = json.loads(
            line, parse_constant=_refuse_constant, parse_float=WrittenFloat, object_pairs_hook=_unique_keys
        )
    except json.JSONDecodeError as error:
        raise Quarantine(Reason.BAD_RECORD, f"bad JSON at column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise Quarantine(Reason.TOO_DEEP, "JSON nested too deep") from None
    except ValueError as error:
        raise Quarantine(Reason.BAD_RECORD, f"bad JSON: {error}") from None
    if not isinstance(record, dict):
        raise Quarantine(Reason.BAD_RECORD, f"expected an object, got {type(record).__name__}")
    return record


def _read_document(record: dict[str, Any]) -> ParsedDocument:
    title, text = record.get("title") or "", record.get("text")
    if not isinstance(title, str):
        raise Quarantine(Reason.BAD_RECORD, "`title` must be text")
    if not isinstance(text, str):
        raise Quarantine(Reason.BAD_RECORD, "`text` must be text")
    cleaned = clean_text(text)
    front = split_front_matter(cleaned.text)
    flags = cleaned.flags + Counter({Flag.BAD_METADATA: 1} if front.problem else {})
    metadata = dict(front.metadata) | metadata_of(
        {key: value for key, value in record.items() if key not in ("id", "title", "text")}
    )
    blocks = split_blocks(front.body)
    notes = (front.problem,) if front.problem else ()
    return ParsedDocument(choose_title(title or front.title, blocks), blocks, metadata, flags, notes)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key is given twice")
    return record
