"""A small HTTP server with the part of vLLM's API that lorag uses: models, adapters at run time, chat completions."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BASE = "base-model"
SAID = "Berth 4 is 7.25 metres deep."


@dataclass
class Vllm:
    """What it has loaded, by name, and the paths and names that it was asked to load and unload."""

    address: str = ""
    adapters: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    allows: bool = True

    def restart(self) -> None:
        """Forget what was loaded at run time, as a server that is started again does."""
        self.adapters.clear()

    def get(self) -> Any:
        """Return the list of models."""
        return 200, {"object": "list", "data": [{"id": name, "object": "model"} for name in (BASE, *self.adapters)]}

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Return status and answer; vLLM refuses a second load, an unknown name and a folder without an adapter."""
        name = str(body.get("lora_name"))
        if path.endswith("_lora_adapter") and not self.allows:
            return 404, {"detail": "Not Found"}
        if path == "/v1/load_lora_adapter":
            self.asked.append(("load", name))
            if name in self.adapters:
                return 400, error(f"The lora adapter '{name}' has already been loaded.")
            if not (Path(body["lora_path"]) / "adapter_config.json").is_file():
                return 404, error(f"No adapter found for {body['lora_path']}")
            self.adapters[name] = body["lora_path"]
            return 200, f"Success: LoRA adapter '{name}' added successfully."
        if path == "/v1/unload_lora_adapter":
            self.asked.append(("unload", name))
            if self.adapters.pop(name, None) is None:
                return 404, error(f"The lora adapter '{name}' cannot be found.")
            return 200, f"Success: LoRA adapter '{name}' removed successfully."
        model = body["model"]
        if model != BASE and model not in self.adapters:
            return 404, error(f"The model `{model}` does not exist.")
        return 200, None


def error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "BadRequestError", "code": 400}}


@contextmanager
def serve() -> Iterator[Vllm]:
    """Yield the running server."""
    state = Vllm()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(*state.get())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, value = state.post(self.path, body)
            if value is not None:
                self.answer(status, value)
                return
            events = [
                {"choices": [{"index": 0, "delta": {"content": SAID}, "finish_reason": None}]},
                {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}},
            ]
            head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": body["model"]}
            lines = [f"data: {json.dumps(head | event)}\n\n" for event in events]
            self.send("text/event-stream", "".join([*lines, "data: [DONE]\n\n"]).encode())

        def answer(self, status: int, value: Any) -> None:
            is_text = isinstance(value, str)
            kind = "text/plain" if is_text else "application/json"
            self.send(kind, (value if is_text else json.dumps(value)).encode(), status)

        def send(self, kind: str, body: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
