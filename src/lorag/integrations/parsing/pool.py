"""Parsing in child processes that may be killed; the parent only reads their JSON."""

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from lorag.errors import StoreFailed
from lorag.integrations.parsing.process import read_frame, write_frame
from lorag.knowledge.documents import Reason
from lorag.knowledge.formats import ParseResult, Quarantine, result_from_json
from lorag.params import ParserParams

_START_TIMEOUT_S = 120
_IN_FLIGHT = 32  # documents held in memory for each child
_IN_FLIGHT_BYTES = 50_000_000  # of all documents held in memory, whatever their number


class ParserProcess:
    """A child process, started at the first document and again after it was killed. Not thread-safe."""

    def __init__(self, limits: ParserParams, formats: Iterable[str]) -> None:
        self._limits = limits
        self._formats = tuple(sorted(formats))
        self._child: subprocess.Popen[bytes] | None = None

    def parse(self, kind: str, data: bytes) -> ParseResult:
        """Return the parsed document, or a Quarantine.

        The reason is `parser_limit` if the child took too long, used too much memory or died. It is `parser_failed` if
        the child's answer cannot be read. Raises StoreFailed if the child does not start.
        """
        child = self._child or self._start()
        overtime = threading.Event()
        answer = _exchange(child, json.dumps({"kind": kind}).encode(), data, self._limits.timeout_s, overtime)
        if answer is None:
            code = self._stop()
            if overtime.is_set():
                detail = f"takes longer than {self._limits.timeout_s:g} s to parse"
            else:
                detail = f"the parser process died ({_name_exit(code)}), with at most {self._limits.memory_mb} MB"
            return Quarantine(Reason.PARSER_LIMIT, detail)
        try:
            result = result_from_json(json.loads(answer))
        except (ValueError, KeyError, TypeError) as error:
            self._stop()
            return Quarantine(Reason.PARSER_FAILED, f"the parser gave no result: {error}")
        if isinstance(result, Quarantine) and result.reason is Reason.PARSER_LIMIT:
            self._stop()  # its heap stays damaged after it ran out of memory
        return result

    def close(self) -> None:
        """Stop the child, if there is one."""
        self._stop()

    def _start(self) -> subprocess.Popen[bytes]:
        limits = self._limits
        command = [sys.executable, "-P", "-m", "lorag.integrations.parsing.process"]
        command += [str(limits.memory_mb), str(limits.timeout_s), str(limits.max_depth), str(limits.max_characters)]
        child = subprocess.Popen(
            [*command, *self._formats],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,  # the parent handles an interrupt from the keyboard
        )
        timer = threading.Timer(_START_TIMEOUT_S, child.kill)
        timer.start()
        ready = read_frame(cast("BinaryIO", child.stdout))
        timer.cancel()
        self._child = child
        if ready is None:
            code = self._stop()
            raise StoreFailed(
                f"the parser process does not start ({_name_exit(code)})",
                do="check that Python may start processes and has memory left",
            )
        return child

    def _stop(self) -> int:
        child, self._child = self._child, None
        if child is None:
            return 0
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass  # the rest of the buffer was for a process that is gone
        child.kill()
        return child.wait()


class ParserPool:
    """A pool of one or two child processes that parse a stream of documents in order."""

    def __init__(self, limits: ParserParams, formats: Iterable[str], *, processes: int) -> None:
        formats = tuple(formats)
        self._idle = deque(ParserProcess(limits, formats) for _ in range(max(1, processes)))
        self._all = tuple(self._idle)
        self._executor = ThreadPoolExecutor(len(self._all), thread_name_prefix="parser")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
        for process in self._all:
            process.close()

    def parse_all(self, documents: Iterable[tuple[str, bytes]]) -> Iterator[ParseResult]:
        """Yield the result of each (format, bytes), in order; read `documents` only as far ahead as is being parsed."""
        waiting: deque[tuple[Future[ParseResult], int]] = deque()
        held_bytes = 0
        for kind, data in documents:
            waiting.append((self._executor.submit(self._parse, kind, data), len(data)))
            held_bytes += len(data)
            while len(waiting) >= _IN_FLIGHT * len(self._all) or held_bytes > _IN_FLIGHT_BYTES:
                done, size = waiting.popleft()
                held_bytes -= size
                yield done.result()
        for done, _ in waiting:
            yield done.result()

    def _parse(self, kind: str, data: bytes) -> ParseResult:
        process = self._idle.popleft()  # as many threads as processes: one is always idle here
        try:
            return process.parse(kind, data)
        finally:
            self._idle.append(process)


def processes_for(documents: int) -> int:
    """Return the number of children worth starting: a second one only for more than a few documents."""
    return min(2, os.cpu_count() or 1) if documents > 40 else 1


def _exchange(
    child: subprocess.Popen[bytes], header: bytes, data: bytes, timeout_s: float, overtime: threading.Event
) -> bytes | None:
    """Return the child's answer; None if it died, or was killed because it took longer than `timeout_s`."""

    def kill() -> None:
        overtime.set()
        child.kill()

    timer = threading.Timer(timeout_s, kill)
    timer.start()
    try:
        write_frame(cast("BinaryIO", child.stdin), header)
        write_frame(cast("BinaryIO", child.stdin), data)
        return read_frame(cast("BinaryIO", child.stdout))
    except (BrokenPipeError, ConnectionResetError):
        return None
    finally:
        timer.cancel()


def _environment() -> dict[str, str]:
    """Return an environment with the parent's package paths and nothing else: parsers must not see secrets."""
    package_root = str(Path(__file__).parents[3])
    paths = [package_root, *(path for path in sys.path if path and path != package_root)]
    return {"PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}


def _name_exit(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"status {code}"
