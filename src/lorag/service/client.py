"""The way from a command to the service that answers for this workspace, by the standard library alone.

A command that finds the service running imports no model, index or HTTP library.
"""

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorag.errors import StoreFailed, error_of

_CONNECT_S = 1.0
_ANSWER_S = 600.0


@dataclass(frozen=True, slots=True)
class RunningService:
    """Where the service of a workspace listens, on this machine, and the key that it asks for."""

    host: str
    port: int
    key: str

    def answer(self, ask: Mapping[str, Any], on_text: Callable[[str], None]) -> dict[str, Any] | None:
        """Return the answer to an `Ask`, and pass on its text as it comes; None if nothing listens there.

        Raises the error that the service reports, as if the command had met it itself.
        """
        return self._send("POST", "/v1/answers", {**ask, "stream": True}, lambda response: _read(response, on_text))

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Return the object that a path gives; None if nothing listens there, or nothing that takes this key.

        Raises the error that the service reports.
        """
        return self._send(method, path, body, lambda response: _object(response.read()))

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        read: Callable[[http.client.HTTPResponse], dict[str, Any] | None],
    ) -> dict[str, Any] | None:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=_CONNECT_S)
        try:
            connection.connect()
            connection.sock.settimeout(_ANSWER_S)
            headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            if response.status == 200:
                return read(response)
            # With another key, or an older service, the command answers by itself.
            if response.status in (400, 403, 404, 409, 422, 429, 503, 504):
                _raise_problem(response.read())
            return None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


def find_service(record: Path) -> RunningService | None:
    """Return the service that wrote `record` when it started; None if there is none. It may have ended since."""
    try:
        value = json.loads(record.read_text(encoding="utf-8"))
        return RunningService(value["host"], value["port"], value["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read(response: http.client.HTTPResponse, on_text: Callable[[str], None]) -> dict[str, Any] | None:
    shown = False
    try:
        for line in response:
            value = json.loads(line)
            if "text" in value:
                shown = True
                on_text(value["text"])
            elif "error" in value:
                raise error_of(**value["error"])
            else:
                result: dict[str, Any] = value["result"]
                return result
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        pass
    if shown:
        raise StoreFailed("the answer broke off", where="the service of this workspace", do="ask again")
    return None


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _raise_problem(body: bytes) -> None:
    """Raise the error that a problem describes, as if the command had met it itself."""
    try:
        value = json.loads(body)
        error = error_of(value["code"], value["detail"], value["where"], value["do"], value.get("details"))
    except (ValueError, KeyError, TypeError):
        return
    raise error
