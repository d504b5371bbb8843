"""Servers that tests start and end: those of infra/ and mlflow/, by the scripts that a person would use."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
READY_S = 480
BUCKET = "lorag"


@dataclass(frozen=True)
class Running:
    """A server in a process group of its own; `environment` is what its clients need to be told."""

    process: "subprocess.Popen[bytes]"
    environment: Mapping[str, str]

    def kill(self) -> None:
        """As a power cut would."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@cache
def infra_module(folder: str, name: str) -> ModuleType:
    """A script of infra/ as a module; its neighbours are found as when it is run."""
    path = ROOT / "infra" / folder
    spec = importlib.util.spec_from_file_location(f"{folder}_{name}", path / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(path))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path))
    return module


def weaviate_binary() -> Path:
    """The server's binary; skips where there is none, or fails where LORAG_REQUIRE_WEAVIATE asks for one."""
    binary = infra_module("weaviate", "start").find_binary()
    if binary is None:
        reason = "no weaviate-server on PATH or in the cache folder; `python infra/weaviate/start.py --prepare` gets it"
        if os.environ.get("LORAG_REQUIRE_WEAVIATE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    assert isinstance(binary, Path)
    return binary


@contextmanager
def postgres() -> Iterator[Any]:
    """infra/postgres/start.py's server, new and empty; skips where PostgreSQL is not installed."""
    module = infra_module("postgres", "start")
    programs = module.find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    # Not in a folder of pytest, which is closed to the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="lorag-postgres-") as folder:
        Path(folder).chmod(0o755)
        server = module.launch(programs, Path(folder) / "server")
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def s3(folder: Path) -> Iterator[Running]:
    """An S3 server with one empty bucket; everything in it is in memory."""
    port = free_port()
    keys = {"AWS_ACCESS_KEY_ID": "lorag", "AWS_SECRET_ACCESS_KEY": "of-no-use", "AWS_DEFAULT_REGION": "us-east-1"}
    environment = {**keys, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    command = [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with serving(command, environment, folder / "s3.log", f"http://127.0.0.1:{port}/moto-api/") as server:
        s3_client(environment).create_bucket(Bucket=BUCKET)
        yield server


def s3_client(environment: Mapping[str, str]) -> Any:
    """A client of the bucket's server."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )


@contextmanager
def mlflow(folder: Path, settings: Mapping[str, str], port: int | None = None) -> Iterator[Running]:
    """mlflow/server.sh with these settings, which takes tens of seconds at the first use of a database."""
    port = port or free_port()
    own = {"MLFLOW_PORT": str(port), "MLFLOW_WORKERS": "1", "PYTHON": sys.executable}
    hosts = {"MLFLOW_SERVER_ALLOWED_HOSTS": f"127.0.0.1:{port}"}
    url = f"http://127.0.0.1:{port}"
    with serving(
        ["bash", ROOT / "mlflow" / "server.sh"],
        {"MLFLOW_TRACKING_URI": url},
        folder / "mlflow.log",
        f"{url}/health",
        {**own, **hosts, **settings},
    ) as server:
        yield server


@contextmanager
def prefect(folder: Path, settings: Mapping[str, str], port: int | None = None) -> Iterator[Running]:
    """A Prefect server with these settings."""
    port = port or free_port()
    own = {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    url = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with serving(
        command, {"PREFECT_API_URL": url}, folder / "prefect.log", f"{url}/health", {**own, **settings}
    ) as server:
        yield server


@contextmanager
def serving(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    log: Path,
    ready: str,
    settings: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Running]:
    """The command as a server that answers at `ready`, killed at the end; by default it gets its clients' settings."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **(environment if settings is None else settings)},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    server = Running(process, environment)
    try:
        _wait(server, ready, log)
        yield server
    finally:
        server.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: Running, ready: str, log: Path) -> None:
    until = time.monotonic() + READY_S
    while True:
        assert server.process.poll() is None, f"it ended: {log.read_text()[-2_000:]}"
        assert time.monotonic() < until, f"not ready: {log.read_text()[-2_000:]}"
        try:
            with urllib.request.urlopen(ready, timeout=5):
                return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return
        except OSError:
            pass
        time.sleep(0.25)
