"""Checks of a zip archive by its directory, before anything in it is unpacked; nothing is ever extracted to disk."""

import io
import re
import stat
import zipfile

from lorag.knowledge.documents import Reason
from lorag.knowledge.formats.decoding import sniff
from lorag.knowledge.formats.parsed import Quarantine

MAX_ENTRIES = 5_000
MAX_UNPACKED_BYTES = 100_000_000
MAX_RATIO = 150
"""Deflate reaches about 1000:1; word-processor XML stays below 50:1."""
_RATIO_FROM_BYTES = 1_000_000
_LOCAL_HEADER_BYTES = 30
_ENCRYPTED = 0x1
_UNSAFE_NAME = re.compile(r"(?:^|[/\\])\.\.(?:[/\\]|$)|^[/\\]|^[A-Za-z]:|\x00")
_DOCTYPE = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def open_archive(data: bytes) -> zipfile.ZipFile:
    """Open the archive in `data` if its directory is harmless.

    Refused are names that lead out of their folder, links and devices, encrypted or overlapping entries, and sizes or
    ratios that only a zip bomb has. `read_entry` finds the sizes that the directory states wrongly.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise Quarantine(Reason.PARSER_FAILED, f"not a readable zip archive: {error}") from None
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise Quarantine(Reason.UNSAFE_ARCHIVE, f"{len(entries)} entries, at most {MAX_ENTRIES} are read")
    for entry in entries:
        _refuse_unsafe(entry)
    if (total := sum(entry.file_size for entry in entries)) > MAX_UNPACKED_BYTES:
        raise Quarantine(Reason.UNSAFE_ARCHIVE, f"unpacks to {total} bytes, at most {MAX_UNPACKED_BYTES} are read")
    _refuse_overlap(entries)
    return archive


def check_office_file(data: bytes, suffix: str, main_part: str, kind: str) -> None:
    """Raise Quarantine unless `data` is a harmless Office file with `main_part`; every entry is unpacked once."""
    if (found := sniff(data)) == "an old or encrypted Office file":
        raise Quarantine(Reason.ENCRYPTED, "an encrypted document, or one of Office 97-2003 under another name")
    if found != "a zip archive":
        raise Quarantine(Reason.TYPE_MISMATCH, f"named {suffix}, but is {found or 'no zip archive'}")
    with open_archive(data) as archive:
        names = archive.namelist()
        if main_part not in names:
            raise Quarantine(Reason.TYPE_MISMATCH, f"a zip archive, but not {kind}")
        for name in names:
            content = read_entry(archive, name)
            if name.endswith((".xml", ".rels")):
                refuse_entities(name, content)


def read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read one entry, never more bytes than the directory states; a wrong size or checksum is refused."""
    promised = archive.getinfo(name).file_size
    try:
        with archive.open(name) as stream:
            content = stream.read(promised + 1)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, OSError) as error:
        raise Quarantine(Reason.UNSAFE_ARCHIVE, f"entry {name!r} is damaged or lies about its size: {error}") from None
    except Exception as error:  # zlib.error, lzma.LZMAError: the errors of the entry's compression
        raise Quarantine(Reason.UNSAFE_ARCHIVE, f"entry {name!r} cannot be unpacked: {error}") from error
    if len(content) != promised:
        raise Quarantine(Reason.UNSAFE_ARCHIVE, f"entry {name!r} lies about its size")
    return content


def refuse_entities(name: str, xml: bytes) -> None:
    """Refuse XML with a document type: Office files have none, but entity bombs and file reads need one."""
    if _DOCTYPE.search(xml.replace(b"\x00", b"")):  # UTF-16 too
        raise Quarantine(Reason.UNSAFE_ARCHIVE, f"entry {name!r} declares a document type or entities")


def _refuse_unsafe(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    if _UNSAFE_NAME.search(name):
        raise Quarantine(Reason.UNSAFE_ARCHIVE, f"entry {name!r} leaves its folder")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Quarantine(Reason.UNSAFE_ARCHIVE, f"entry {name!r} is a link or device")
    if entry.flag_bits & _ENCRYPTED:
        raise Quarantine(Reason.ENCRYPTED, f"entry {name!r} is encrypted")
    if entry.file_size > max(_RATIO_FROM_BYTES, entry.compress_size * MAX_RATIO):
        ratio = entry.file_size // max(entry.compress_size, 1)
        raise Quarantine(Reason.UNSAFE_ARCHIVE, f"entry {name!r} unpacks {ratio}:1, at most {MAX_RATIO}:1 is read")


def _refuse_overlap(entries: list[zipfile.ZipInfo]) -> None:
    end = 0
    for entry in sorted(entries, key=lambda item: item.header_offset):
        if entry.header_offset < end:
            raise Quarantine(Reason.UNSAFE_ARCHIVE, f"entry {entry.orig_filename!r} overlaps another")
        end = entry.header_offset + _LOCAL_HEADER_BYTES + len(entry.orig_filename.encode()) + entry.compress_size
