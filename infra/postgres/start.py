"""Start a private PostgreSQL server for MLflow and Prefect: `make postgres`.

It uses the server of Debian's package `postgresql`. Data, log and a random password are in .lorag/postgres.
"""

import argparse
import os
import secrets
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(".lorag/postgres")
USER = "lorag"
DATABASES = ("mlflow", "prefect")
SYSTEM_USER = "postgres"
START_TIMEOUT_S = 60
EXIT_STORE = 5


class CannotStart(Exception):
    """The server cannot be started; the message is one line for a person."""


@dataclass(frozen=True)
class Server:
    """A server that listens only on 127.0.0.1, and how to reach it."""

    programs: Path
    folder: Path
    port: int
    password: str

    def url(self, database: str, driver: str = "postgresql") -> str:
        """Return the address of a database with the password, in SQLAlchemy's form."""
        return f"{driver}://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables for the servers that keep their state in it."""
        return {
            "MLFLOW_BACKEND_STORE_URI": self.url("mlflow"),
            "PREFECT_API_DATABASE_CONNECTION_URL": self.url("prefect", "postgresql+asyncpg"),
        }

    def stop(self) -> None:
        """Stop the server; its data stays."""
        _run(self.folder, [self.programs / "pg_ctl", "-D", self.folder / "data", "-m", "fast", "-w", "stop"])


def find_programs() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`: on PATH, else Debian's newest version; None if there is none."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return kept[-1].parent if kept else None


def launch(programs: Path, folder: Path) -> Server:
    """Start a server on the data in `folder`, which the first call creates, and wait until it is ready.

    Root gives the folder to the user of the package, because PostgreSQL refuses to run as root.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(folder, SYSTEM_USER)
    is_new = not (folder / "data").exists()
    server = Server(programs, folder, _port(folder), _kept(folder / "password", secrets.token_urlsafe(24)))
    if is_new:
        make = [programs / "initdb", "-D", folder / "data", "-U", USER, "--auth=scram-sha-256", "--encoding=UTF8"]
        _run(folder, [*make, f"--pwfile={folder / 'password'}", "--no-instructions"])
    # No socket in a folder that every user may write to.
    options = f"-p {server.port} -h 127.0.0.1 -c unix_socket_directories=''"
    control = [programs / "pg_ctl", "-D", folder / "data", "-l", folder / "log", "-t", str(START_TIMEOUT_S)]
    _run(folder, [*control, "-o", options, "-w", "start"])
    if is_new:
        for name in DATABASES:
            where = ["-h", "127.0.0.1", "-p", str(server.port), "-U", USER]
            _run(folder, [programs / "createdb", *where, name], PGPASSWORD=server.password)
    return server


def start(folder: Path) -> str:
    """Make sure that a server runs; return the lines that configure MLflow and Prefect for it."""
    programs = find_programs()
    if programs is None:
        raise CannotStart("no PostgreSQL server here; install Debian's package `postgresql`, or use a server elsewhere")
    server = _running(programs, folder) or launch(programs, folder)
    return "\n".join(f"export {name}={value}" for name, value in server.environment.items())


def stop(folder: Path) -> str:
    """Stop the server that `start` started; return a message."""
    programs = find_programs()
    server = _running(programs, folder) if programs else None
    if server is None:
        return "No server of this workspace is running."
    server.stop()
    return "The server has stopped; its data stays."


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Start or stop a PostgreSQL server for this workspace.")
    parser.add_argument("action", nargs="?", choices=["start", "stop"], default="start")
    action = start if parser.parse_args().action == "start" else stop
    try:
        print(action(FOLDER.absolute()))
    except (CannotStart, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_STORE
    return 0


def _running(programs: Path, folder: Path) -> Server | None:
    if not (folder / "data" / "postmaster.pid").exists():
        return None
    server = Server(programs, folder, _port(folder), (folder / "password").read_text(encoding="ascii"))
    with socket.socket() as probe:
        return server if probe.connect_ex(("127.0.0.1", server.port)) == 0 else None


def _port(folder: Path) -> int:
    """Return the port of earlier calls, so that exported addresses stay valid; the first call takes a free one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(_kept(folder / "port", str(probe.getsockname()[1])))


def _kept(path: Path, text: str) -> str:
    """Return the content of the file, which is `text` at the first call; only the server's user can read it."""
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        if os.geteuid() == 0:
            shutil.chown(path, SYSTEM_USER)
    return path.read_text(encoding="ascii")


def _run(folder: Path, command: list[str | Path], **more: str) -> None:
    user = SYSTEM_USER if os.geteuid() == 0 else None
    with (folder / "errors").open("wb") as errors:
        done = subprocess.run(
            command,
            cwd=folder,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", **more},
            user=user,
            stdin=subprocess.DEVNULL,
            # Not a pipe: the server keeps it open as long as it runs.
            stdout=subprocess.DEVNULL,
            stderr=errors,
            check=False,
        )
    if done.returncode:
        last = (folder / "errors").read_text(errors="replace").strip().splitlines()[-1:]
        raise CannotStart(f"{Path(command[0]).name} ended with status {done.returncode}: {' '.join(last)[:300]}")


if __name__ == "__main__":
    sys.exit(main())
