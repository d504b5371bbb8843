"""The child process that parses one document after another: little memory, no writing of files, no network.

Run as `python -m lorag.integrations.parsing.process <memory_mb> <timeout_s> <max_depth> <max_characters>
<format>...`. It imports what the formats need, drops its rights and reports that it is ready. Then it answers each
document with one frame until its input ends.
"""

import ctypes
import json
import os
import resource
import signal
import struct
import sys
from dataclasses import dataclass
from typing import BinaryIO

from lorag.knowledge.documents import Reason
from lorag.knowledge.formats import Quarantine, load_parser, parse_content, result_to_json

MAX_FRAME_BYTES = 1 << 30
_LENGTH = struct.Struct("!Q")
_MAX_OPEN_FILES = 32
_NEW_USER_AND_NETWORK = 0x10000000 | 0x40000000
_NEW_NETWORK = 0x40000000


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """The limits for one document, read from the command line."""

    memory_mb: int
    timeout_s: float
    max_depth: int
    max_characters: int


def write_frame(stream: BinaryIO, content: bytes) -> None:
    """Write the length and the content, and flush."""
    stream.write(_LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def read_frame(stream: BinaryIO) -> bytes | None:
    """Return the content of the next frame; None if the stream ended or the frame exceeds `MAX_FRAME_BYTES`."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MAX_FRAME_BYTES:
        return None
    content = stream.read(length)
    return content if len(content) == length else None


def main(arguments: list[str]) -> int:
    """Read from standard input a frame with the format as JSON, then one with the bytes; write the result as JSON."""
    memory_mb, timeout_s, max_depth, max_characters, *formats = arguments
    limits = ProcessLimits(int(memory_mb), float(timeout_s), int(max_depth), int(max_characters))
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    for kind in formats:
        load_parser(kind)
        parse_content(kind, _SAMPLES.get(kind, b"# warm\n"), limits)
    _give_up_rights(limits)
    write_frame(outgoing, b"{}")
    while (header := read_frame(incoming)) is not None and (data := read_frame(incoming)) is not None:
        # The parent kills this process after the time limit. The alarm is for the case that the parent is gone.
        signal.setitimer(signal.ITIMER_REAL, 2 * limits.timeout_s + 1)
        try:
            result = parse_content(json.loads(header)["kind"], data, limits)
        except MemoryError:
            result = Quarantine(Reason.PARSER_LIMIT, f"needs more than {limits.memory_mb} MB to parse")
        del data
        write_frame(outgoing, json.dumps(result_to_json(result)).encode())
        signal.setitimer(signal.ITIMER_REAL, 0)
    return 0


_SAMPLES = {
    ".html": b"<html><body><p>warm</p></body></html>",
    ".htm": b"<html><body><p>warm</p></body></html>",
    ".rst": b"Warm\n====\n\n:ref:`warm`\n\n.. warm:: up\n\n   - text\n",
    ".md": b"---\nwarm: up\n---\n# warm\n\n- text\n\n<p>html</p>\n",
    ".pdf": b"%PDF-1.4\n",
    ".ipynb": b'{"cells": [{"cell_type": "markdown", "source": "warm <b>up</b>"}]}',
    ".eml": b"Subject: warm\nContent-Type: text/html\n\n<p>up</p>\n",
    "documents.jsonl": b'{"id": "warm", "text": "up"}',
}
"""Small documents that are parsed at the start, so that late imports do not count against the first document."""


def _give_up_rights(limits: ProcessLimits) -> None:
    _leave_network()
    with open("/proc/self/statm", encoding="ascii") as file:
        baseline_bytes = int(file.read().split()[0]) * resource.getpagesize()
    ceiling = baseline_bytes + limits.memory_mb * 1_000_000
    for what, value in (
        (resource.RLIMIT_AS, ceiling),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (value, value))
    sys.dont_write_bytecode = True
    sys.addaudithook(_refuse_effects)


def _leave_network() -> None:
    """Move into a network without interfaces if the system allows it; otherwise only the audit hook protects."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK) != 0:
        libc.unshare(_NEW_USER_AND_NETWORK)


def _refuse_effects(event: str, arguments: tuple[object, ...]) -> None:
    """Raise PermissionError for what no parser needs: to connect, start a process or load native code by name."""
    if event.startswith(("socket.", "subprocess.", "ctypes.", "os.exec", "os.posix_spawn", "os.fork", "os.system")):
        raise PermissionError(f"{event} is not allowed while parsing")


if __name__ == "__main__":
    os.chdir("/")
    sys.exit(main(sys.argv[1:]))
