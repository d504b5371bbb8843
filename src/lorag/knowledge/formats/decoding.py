"""Decoding of bytes to text, and the kind of file that its first bytes show. Nothing is replaced silently."""

import codecs
import re
from collections import Counter
from dataclasses import dataclass

from lorag.knowledge.documents import Flag, Reason
from lorag.knowledge.formats.parsed import Quarantine
from lorag.knowledge.normalise import clean_text

# Signatures that no readable text begins with. A guess by likelihood would take "BM" or "MZ" at the start of prose for
# a bitmap or a program.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x7fELF", "an ELF program"),
    (b"MZ\x90\x00", "a Windows program"),
    (b"\xca\xfe\xba\xbe", "a Java class"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh91AY&SY", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old or encrypted Office file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
)
_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CHARSETS = re.compile(
    r"utf-?8|utf-?16(le|be)?|(iso[-_]?)?8859[-_]\d+|latin[-_]?1|us-ascii|ascii|(windows|cp)[-_]?125\d|koi8-[ru]|gb\w+|big5\w*|shift_?jis|euc-(jp|kr)",
    re.IGNORECASE,
)
_DECLARED = re.compile(
    rb"""(?:<meta[^>]{0,200}?charset|<\?xml[^>]{0,100}?encoding)\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE
)
_DECLARATION_WINDOW = 2_048
_MAX_CONTROL_SHARE = 0.3
_MIN_CONTROLS = 8


@dataclass(frozen=True, slots=True)
class Decoded:
    """Clean text, and the counts of what was removed from it."""

    text: str
    flags: Counter[Flag]


def sniff(data: bytes) -> str | None:
    """Return the kind of file that the first bytes show, such as `a PDF`; None if a text could begin with them."""
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    return "a tar archive" if data[257:262] == b"ustar" else None


def decode_text(data: bytes, *, may_declare: bool = False) -> Decoded:
    """Return the clean text of `data`, decoded by its byte order mark, else its declared charset, else UTF-8.

    The declared charset counts only with `may_declare`, for formats that have one. Raises Quarantine: `type_mismatch`
    for binary data, `bad_encoding` with the byte offset for anything else.
    """
    if kind := sniff(data):
        raise Quarantine(Reason.TYPE_MISMATCH, f"named as text, but is {kind}")
    mark, encoding = next((found for found in _BOMS if data.startswith(found[0])), (b"", ""))
    encoding = encoding or (_declared_charset(data) if may_declare else "utf-8")
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        offset = error.start + len(mark)
        detail = f"byte 0x{data[offset]:02x} at offset {offset} is not {encoding}; save the file as UTF-8"
        raise Quarantine(Reason.BAD_ENCODING, detail) from None
    cleaned = clean_text(text)
    controls = cleaned.flags[Flag.CONTROL_CHARACTERS]
    if controls >= _MIN_CONTROLS and controls > len(text) * _MAX_CONTROL_SHARE:
        raise Quarantine(Reason.TYPE_MISMATCH, f"binary data, or UTF-16 without a mark: {controls} control characters")
    return Decoded(cleaned.text, cleaned.flags)


def _declared_charset(data: bytes) -> str:
    match = _DECLARED.search(data[:_DECLARATION_WINDOW])
    if not match:
        return "utf-8"
    name = match[1].decode("ascii", "replace").lower()
    # A page that could be read far enough to find the declaration is not UTF-16, whatever it says.
    if name.startswith("utf"):
        return "utf-8"
    if not _CHARSETS.fullmatch(name):
        raise Quarantine(Reason.BAD_ENCODING, f"declares the unknown charset {name}; save the file as UTF-8")
    try:
        found = codecs.lookup(name).name
    except LookupError:
        raise Quarantine(Reason.BAD_ENCODING, f"declares the unknown charset {name}; save the file as UTF-8") from None
    # As browsers read it (WHATWG Encoding Standard): Latin-1 and ASCII labels mean windows-1252.
    return "cp1252" if found in ("iso8859-1", "ascii") else found
