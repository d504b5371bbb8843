"""A real HTTP server of the chat completions protocol, which says what a test wrote."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Respond = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


@contextmanager
def serve(respond: Respond) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A real HTTP server of the chat completions protocol; gives its address and what it was asked."""
    asked: list[dict[str, Any]] = []

    class Endpoint(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append({"path": self.path, "key": self.headers["Authorization"], **body})
            self.close_connection = True
            respond(self, body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send_events(handler: BaseHTTPRequestHandler, pieces: list[str], *, finish: bool = True, usage: bool = True) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Connection", "close")
    handler.end_headers()
    common = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "served"}

    def send(**values: Any) -> None:
        handler.wfile.write(f"data: {json.dumps(common | values)}\n\n".encode())
        handler.wfile.flush()

    for piece in pieces:
        send(choices=[{"index": 0, "delta": {"content": piece}, "finish_reason": None}])
    if finish:
        send(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        if usage:
            send(choices=[], usage={"prompt_tokens": 21, "completion_tokens": 3, "total_tokens": 24})
        handler.wfile.write(b"data: [DONE]\n\n")
