"""S8, S16 and S20: a whole life of a workspace, with a canary in each variable that may hold a secret, and watched.

No secret is in a file, an output or a command line, nothing but this machine is spoken to, and no file is unpickled.
"""

import base64
import contextlib
import gzip
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import pytest

from lorag.integrations.models.cache import home_folder
from tests.e2e.test_retrain import edit, shrink, write_knowledge
from tests.endpoint import send_events, serve
from tests.servers import free_port
from tests.tiny import make_tiny_model
from tests.use_cases.operate.canary import encodings, find

DOWN = "127.0.0.1:9"
PAGE = Path(__file__).parents[2] / "docs" / "environment.md"
SECRETS = {
    name: f"canary{number}+{name.lower().replace('_', '-')}/of:7f3a9c51"
    for number, name in enumerate(
        [
            "LORAG_SERVE_KEY",
            "LORAG_OPENAI_API_KEY",
            "LORAG_OPENAI_BASE_URL",
            "LORAG_BACKUP_KEY",
            "LORAG_NOTIFY_URL",
            "LORAG_MCP_KEY",
            "WEAVIATE_API_KEY",
            "WEAVIATE_URL",
            "MLFLOW_TRACKING_URI",
            "PREFECT_API_URL",
            "AWS_SECRET_ACCESS_KEY",
        ]
    )
}
HOLD_NONE = {
    "WEAVIATE_GRPC_PORT": "a port",
    "LORAG_VLLM_ADAPTERS": "a folder",
    "LORAG_HOME": "a folder",
    "LORAG_DASK_ADDRESS": "a scheduler's address, which takes no user",
    "RAY_ADDRESS": "the same",
    "LORAG_PREFECT_PORT": "a port",
    "MLFLOW_PORT": "a port",
    "LORAG_SERVE_HOSTS": "names",
    "LORAG_INSECURE_DEV": "a switch",
}
UNPICKLED = """
import os, sys

def note(event, arguments):
    if event == "pickle.find_class":
        frame, names = sys._getframe(1), []
        while frame is not None:
            names.append(frame.f_globals.get("__name__", "?"))
            frame = frame.f_back
        descriptor = os.open(os.environ["UNPICKLED"], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        os.write(descriptor, (" ".join([".".join(arguments), *names]) + "\\n").encode())
        os.close(descriptor)

sys.addaudithook(note)
"""
"""What each Python process of a life runs first: it notes what classes are unpickled, and who asked for that."""

PIPES = {"multiprocessing", "concurrent", "dask", "docket"}
"""Modules that unpickle what another process of the same command has just sent, or they themselves have pickled.

docket is the queue in the memory of Prefect's server.
"""

CALLS = "trace=connect,sendto,sendmsg,sendmmsg"
ADDRESS = re.compile(r'(?:inet_addr\("(?P<four>[^"]+)"\)|inet_pton\(AF_INET6, "(?P<six>[^"]+)")')
HERE = re.compile(r"127\.|0\.0\.0\.0$|::1$|::$|::ffff:127\.")
needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed: connections cannot be watched"
)
full = [pytest.mark.full, pytest.mark.slow, pytest.mark.timeout(3_600), needs_strace]


def within(name: str, address: str) -> str:
    """The address with the secret of that variable as its password."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://me:{quote(SECRETS[name], safe='')}@{rest}"


def forms_of(secret: str) -> list[bytes]:
    """The secret as it is and encoded, also as a part of an address."""
    return [*encodings(secret), quote(secret, safe="").encode(), quote(secret).encode()]


def spoken_to(trace: str) -> set[str]:
    """The addresses of other machines in what strace wrote."""
    found = {each["four"] or each["six"] for each in ADDRESS.finditer(trace)}
    return {address for address in found if not HERE.match(address)}


@dataclass
class Life:
    """A folder with a workspace `w`, a home and a folder for temporary files; what its commands said and called."""

    folder: Path
    environment: dict[str, str]
    said: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=lambda: dict(SECRETS))

    @property
    def trace(self) -> Path:
        return self.folder.with_suffix(".trace")

    @property
    def unpickled(self) -> set[tuple[str, str]]:
        """The classes that were unpickled, each with the module that did it."""
        lines = Path(self.environment["UNPICKLED"])
        found = [line.split() for line in lines.read_text().splitlines()] if lines.exists() else []
        return {(name, next(each for each in by if each not in ("pickle", "_pickle"))) for name, *by in found}

    def begin(self, *words: str, **more: str) -> "subprocess.Popen[str]":
        """Start a command of which every call is watched, with more variables."""
        command = ["strace", "-f", "-qq", "-A", "-s", "0", "-e", CALLS, "-o", str(self.trace)]
        return subprocess.Popen(
            [*command, sys.executable, "-m", "lorag.cli", *words],
            env=self.environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def call(self, *words: str, status: int = 0, **more: str) -> str:
        """What a command in the workspace says, which is kept; it has to end with this status."""
        root = self.folder / "w"
        inside = ["--workspace", str(root)] if root.exists() else []
        process = self.begin(*inside, *words, **more)
        said = process.communicate()[0]
        if "ptrace" in said:
            pytest.skip("no right to trace a process here: connections cannot be watched")
        assert process.returncode == status, (words, process.returncode, said[-2_000:])
        assert "Traceback" not in said, said[-2_000:]
        self.said.append(said)
        return said

    def found(self, secret: str) -> Counter[str]:
        """Where the secret is in the files, by store."""
        return find(self.folder, forms_of(secret))


def begin_life(folder: Path) -> Life:
    """A home and a folder for temporary files of its own; only converted models are those of the user."""
    taken = ("PREFECT_", "MLFLOW_", "LORAG_", "WEAVIATE_", "AWS_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(taken)}
    own = {"HOME": folder / "home", "TMPDIR": folder / "tmp", "LORAG_HOME": home_folder()}
    own |= {"PYTHONPATH": folder.with_suffix(".hook"), "UNPICKLED": folder.with_suffix(".unpickled")}
    for path in (own["HOME"], own["TMPDIR"], own["PYTHONPATH"]):
        path.mkdir()
    (own["PYTHONPATH"] / "sitecustomize.py").write_text(UNPICKLED)
    return Life(folder, environment | {name: str(path) for name, path in own.items()})


def respond(handler: BaseHTTPRequestHandler, body: Mapping[str, Any]) -> None:
    """Answer, or refuse the key, and say which one it was."""
    if "refused" not in str(body["messages"]):
        send_events(handler, ["It is lit at 8:30."])
        return
    said = f"no such key: {handler.headers['Authorization']}".encode()
    handler.send_response(401)
    handler.send_header("Content-Length", str(len(said)))
    handler.end_headers()
    handler.wfile.write(said)


@contextlib.contextmanager
def command_lines() -> Iterator[list[str]]:
    """The command lines of all processes of this machine, while the context lasts."""
    lines: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error):
                    lines.append(" ".join(process.cmdline()))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield lines
    finally:
        over.set()
        watching.join()


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """The workspace after its life: made, refreshed, trained, asked, served, backed up, erased from, and refused."""
    life = begin_life(tmp_path_factory.mktemp("canaries"))
    write_knowledge(life.folder, {3: "8:30"})
    with serve(respond) as (endpoint, _), command_lines() as lines:
        keys = ("LORAG_SERVE_KEY", "LORAG_OPENAI_API_KEY", "LORAG_BACKUP_KEY", "WEAVIATE_API_KEY", "LORAG_MCP_KEY")
        given = {name: SECRETS[name] for name in (*keys, "AWS_SECRET_ACCESS_KEY")}
        given["LORAG_OPENAI_BASE_URL"] = within("LORAG_OPENAI_BASE_URL", endpoint)
        given["LORAG_NOTIFY_URL"] = f"json://{DOWN}/{SECRETS['LORAG_NOTIFY_URL']}"
        life.environment.update(given)
        live(life)
        fail(life)
    life.said.extend(lines)
    yield life


def live(life: Life) -> None:
    """What a user does with it in a year."""
    folder = life.folder
    life.call("init", str(folder / "w"), "--source", str(folder / "docs"), "--questions", f"{folder}/questions.jsonl")
    shrink(folder / "w", make_tiny_model(folder.with_suffix(".model")))
    edit(folder / "w", "endpoint_model: null", "endpoint_model: served")
    life.call("refresh")
    life.call("retrain", LORAG_OPENAI_BASE_URL="")
    life.call("ask", "When is the lamp of pier 3 lit?")
    life.call("search", "When is the lamp of pier 3 lit?")
    life.call("status", "--json")
    life.call("doctor")
    life.call("costs")
    made = re.search(r"lorag-[\w-]{40,}", life.call("keys", "add", "team"))
    assert made is not None
    # It is shown this once.
    life.said.pop()
    life.secrets["keys add"] = made[0]
    life.call("backup", str(folder / "w.zip"))
    life.call("forget", "pier9.md", "--yes", PREFECT_API_URL=within("PREFECT_API_URL", f"http://{DOWN}/api"))
    serve_for_a_while(life)
    live_unattended(life)


def serve_for_a_while(life: Life) -> None:
    """A service that is asked with the right key, with a wrong one, and what its model does not answer."""
    port = free_port()
    process = life.begin("--workspace", str(life.folder / "w"), "serve", "--port", str(port))
    key = {"Authorization": f"Bearer {SECRETS['LORAG_SERVE_KEY']}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
        until = time.monotonic() + 600
        while True:
            with contextlib.suppress(httpx.TransportError):
                if client.get("/readyz").status_code == 200:
                    break
            assert process.poll() is None and time.monotonic() < until, process.stdout
            time.sleep(0.3)
        asked = {"question": "When is the lamp of pier 3 lit?"}
        responses = [
            client.post("/v1/answers", json=asked, headers=key),
            client.post("/v1/answers", json={"question": "Is the lamp of pier 3 refused?"}, headers=key),
            client.post("/v1/answers", json=asked, headers={"Authorization": "Bearer other"}),
            client.get(f"/v1/releases?key={quote(SECRETS['LORAG_SERVE_KEY'])}"),
            client.get("/metrics", headers=key),
            client.get("/", headers=key),
        ]
    assert responses[0].status_code == 200 and responses[2].status_code == 401
    # Traces are written behind the answers, slowly under strace, and the controls look for one.
    kept, until = life.folder / "w" / ".lorag" / "mlflow", time.monotonic() + 120
    while time.monotonic() < until and not any(b"lit at 8:30" in each.read_bytes() for each in kept.glob("*.db*")):
        time.sleep(0.5)
    life.said.extend(response.text for response in responses)
    # strace passes no signal on.
    for child in psutil.Process(process.pid).children():
        child.send_signal(signal.SIGTERM)
    life.said.append(process.communicate()[0])


def live_unattended(life: Life) -> None:
    """All services in the background, until one more refresh has come by itself."""
    ports = {"LORAG_PREFECT_PORT": str(free_port()), "MLFLOW_PORT": str(free_port())}
    keeping = life.begin("--workspace", str(life.folder / "w"), "up", **ports)
    try:
        wait_for_services(life, keeping, ports)
        served = life.folder / "w" / ".lorag" / "current.json"
        before = served.read_bytes()
        (life.folder / "docs" / "pier11.md").write_text("# Pier 11\n\nThe lamp of pier 11 is never lit at noon.\n")
        until = time.monotonic() + 900
        while served.read_bytes() == before and time.monotonic() < until:
            time.sleep(0.5)
        assert served.read_bytes() != before, "no refresh came by itself"
        life.call("deploy", status=2, LORAG_NOTIFY_URL=f"no address {SECRETS['LORAG_NOTIFY_URL']}", **ports)
    finally:
        life.call("down", **ports)
        life.said.append(keeping.communicate()[0])


def wait_for_services(life: Life, keeping: "subprocess.Popen[str]", ports: Mapping[str, str]) -> None:
    until = time.monotonic() + 900
    while not (life.folder / "w" / ".lorag" / "run" / "keep.ready").exists():
        assert keeping.poll() is None and time.monotonic() < until
        time.sleep(0.5)


def fail(life: Life) -> None:
    """An error of each server, with a password in its address or the key that it refuses."""
    folder = life.folder
    life.call("ask", "Is the lamp of pier 3 refused?", status=5)
    life.call(
        "ask",
        "When is the lamp of pier 4 lit?",
        status=5,
        LORAG_OPENAI_BASE_URL=within("LORAG_OPENAI_BASE_URL", f"http://{DOWN}/v1"),
    )
    life.call("costs", status=5, MLFLOW_TRACKING_URI=within("MLFLOW_TRACKING_URI", f"http://{DOWN}"))
    prefect = within("PREFECT_API_URL", f"http://{DOWN}/api")
    life.call("refresh", "--rebuild", status=5, PREFECT_API_URL=prefect)
    life.call("deploy", status=5, PREFECT_API_URL=prefect)
    life.call("mcp", status=2)
    life.call("restore", str(folder / "w.zip"), str(folder / "other"), status=7, LORAG_BACKUP_KEY="another key")
    edit(folder / "w", "store: lancedb", "store: weaviate")
    life.call("search", "lamp", status=2, WEAVIATE_URL=within("WEAVIATE_URL", f"http://{DOWN}"))
    life.call("search", "lamp", status=5, WEAVIATE_URL=f"http://{DOWN}")
    edit(folder / "w", "store: weaviate", "store: lancedb")


def test_each_variable_is_tried_or_holds_no_secret() -> None:
    table = [line.split("|")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    described = {name for cell in table for name in re.findall(r"`(\w+)`", cell)}
    assert sorted(described | {"AWS_SECRET_ACCESS_KEY"}) == sorted([*SECRETS, *HOLD_NONE])


def test_the_look_finds_what_is_planted(tmp_path: Path) -> None:
    secret = SECRETS["LORAG_BACKUP_KEY"]
    life = Life(tmp_path, {})
    assert not life.found(secret)
    plant(tmp_path, secret)
    assert set(life.found(secret)) == {"w/log", "w/packed", "w/base", "w/page"}
    assert spoken_to('1 connect(3, {sa_family=AF_INET, sin_addr=inet_addr("203.0.113.7")}, 16) = 0') == {"203.0.113.7"}
    assert not spoken_to('1 connect(3, {sa_family=AF_INET6, inet_pton(AF_INET6, "::1", &sin6_addr)}, 28) = 0')


def test_the_look_finds_who_unpickles(tmp_path_factory: pytest.TempPathFactory) -> None:
    life = begin_life(tmp_path_factory.mktemp("unpickled"))
    code = (
        "import decimal, pickle; pickle.loads(pickle.dumps([1, 'text'])); pickle.loads(pickle.dumps(decimal.Decimal))"
    )
    subprocess.run([sys.executable, "-P", "-c", code], env=life.environment, check=True)
    assert life.unpickled == {("decimal.Decimal", "__main__")}


def plant(folder: Path, secret: str) -> None:
    """Put it into files in the ways in which it may get there."""
    root = folder / "w"
    root.mkdir()
    (root / "log").write_text(f"key={secret}\n")
    (root / "packed").write_bytes(gzip.compress(base64.b64encode(f"me:{secret}, and so on".encode())))
    (root / "page").write_text(f"http://me:{quote(secret, safe='')}@host/")
    with contextlib.closing(sqlite3.connect(root / "base")) as database, database:
        database.execute("CREATE TABLE one (value TEXT)")
        database.execute("INSERT INTO one VALUES (?)", [secret])


@needs_strace
def test_a_new_workspace_speaks_to_nobody(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One command in `make test`, with git and DVC; the others are in `make test-full`."""
    life = begin_life(tmp_path_factory.mktemp("canaries"))
    write_knowledge(life.folder, {})
    life.environment.update(SECRETS)
    said = life.call("init", str(life.folder / "w"), "--source", str(life.folder / "docs"))
    assert "refresh" in said and spoken_to(life.trace.read_text(errors="replace")) == set()
    assert not any(secret in said or life.found(secret) for secret in SECRETS.values())


class TestAWholeLife:
    """What was said and kept in it."""

    pytestmark = full

    def test_no_secret_is_printed(self, life: Life) -> None:
        said = "\n".join(life.said).encode()
        assert b"8:30" in said
        assert {
            name for name, secret in life.secrets.items() if any(form in said for form in forms_of(secret))
        } == set()

    def test_no_secret_is_kept(self, life: Life) -> None:
        assert sum(path.is_file() for path in life.folder.rglob("*")) > 200
        stores = life.found("lit at 8:30")
        assert {"w/.lorag/mlflow", "w/.lorag/lancedb", "w/data/source", "w.zip"} <= stores.keys(), stores
        assert {name: found for name, secret in life.secrets.items() if (found := life.found(secret))} == {}

    def test_no_file_is_unpickled(self, life: Life) -> None:
        """What processes of one command send each other through pipes is; they belong to the same user and run."""
        assert {(name, by) for name, by in life.unpickled if by.partition(".")[0] not in PIPES} == set()

    def test_nothing_but_this_machine_is_spoken_to(self, life: Life) -> None:
        trace = life.trace.read_text(errors="replace")
        assert ADDRESS.search(trace), "the servers of this machine are among them"
        assert spoken_to(trace) == set()
