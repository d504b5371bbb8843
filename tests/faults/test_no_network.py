"""S16 and S20: a whole life of a workspace with canaries for secrets and every connection noted.

No secret is in a file, an output or a command line, and nothing but this machine is spoken to.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.full, pytest.mark.slow, pytest.mark.timeout(2_400)]

SECRETS = {
    name: f"canary{number}-{name.lower()}-do-not-tell"
    for number, name in enumerate(
        ["LORAG_SERVE_KEY", "LORAG_OPENAI_API_KEY", "LORAG_BACKUP_KEY", "WEAVIATE_API_KEY", "AWS_SECRET_ACCESS_KEY"]
    )
}
CONNECT = re.compile(r'connect\(.*?(?:inet_addr\("(?P<four>[^"]+)"\)|inet_pton\(AF_INET6, "(?P<six>[^"]+)")')
HERE = re.compile(r"127\.|0\.0\.0\.0$|::1$|::$|::ffff:127\.")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, str]]:
    """The workspace, what all commands printed, and the connections that they and their processes made."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: connections cannot be watched")
    folder = tmp_path_factory.mktemp("canaries")
    (folder / "docs").mkdir()
    (folder / "docs" / "pier.md").write_text("# Pier\n\nThe lamp is lit at 8:30.\n")
    root, out, trace = folder / "w", [], folder / "trace"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
    lines: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            for process in psutil.process_iter():
                try:
                    lines.append(" ".join(process.cmdline()))
                except psutil.Error:
                    continue

    watching = threading.Thread(target=watch)
    watching.start()
    commands = [["init", str(root), "--source", str(folder / "docs")]]
    inside = [["refresh"], ["search", "When is the lamp lit?"], ["status", "--json"], ["doctor"], ["costs"]]
    inside += [["keys", "add", "team"], ["backup", str(folder / "w.zip")], ["refresh", "--rebuild", "--json"]]
    commands += [["--workspace", str(root), *words] for words in inside]
    try:
        for words in commands:
            command = ["strace", "-f", "-qq", "-A", "-e", "trace=connect", "-o", str(trace), sys.executable, "-m"]
            done = subprocess.run(
                [*command, "lorag.cli", *words],
                env=environment | SECRETS,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if "ptrace" in done.stdout:
                pytest.skip("no right to trace a process here: connections cannot be watched")
            assert done.returncode == 0, (words, done.stdout[-2_000:])
            out.append(done.stdout)
    finally:
        over.set()
        watching.join()
    yield root, "\n".join([*out, *lines]), trace.read_text(errors="replace")


def test_no_secret_is_printed_or_kept(told: tuple[Path, str, str]) -> None:
    root, said, _ = told
    files = [path for path in root.parent.rglob("*") if path.is_file() and path.name != "trace"]
    assert len(files) > 100
    for name, secret in SECRETS.items():
        assert secret not in said, name
        assert [path for path in files if secret.encode() in path.read_bytes()] == [], name
    # The look itself works: what every file may hold is found.
    assert "lamp" in said and any(b"lit at 8:30" in path.read_bytes() for path in files)


def test_nothing_but_this_machine_is_spoken_to(told: tuple[Path, str, str]) -> None:
    spoken_to = {found["four"] or found["six"] for found in CONNECT.finditer(told[2])}
    assert spoken_to, "the servers of this machine are among them"
    assert {address for address in spoken_to if not HERE.match(address)} == set()
