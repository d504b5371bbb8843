"""Measure how soon an edit changes the answer while nobody calls lorag: `lorag up` on the sample knowledge base.

    .venv/bin/python benchmarks/edit_to_answer.py [--edits 3] [--json out.json]

A workspace in a separate home folder follows a copy of version 1. Server, worker, watcher and MLflow run as `lorag up`
starts them. Each edit changes one number in one document. Times start when the edit is written: `released` ends when
the pointer names another release; `answered` ends when a separate `lorag search` command, started after the release,
has found the new number and finished.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lorag.integrations.machine.local_http import is_free
from lorag.integrations.models.cache import home_folder

ROOT = Path(__file__).parents[1]
PATIENCE_S = 600


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--edits", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="edit_to_answer_"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW"))}
    environment |= {
        "HOME": str(home),
        "LORAG_HOME": str(home_folder()),
        "LORAG_PREFECT_PORT": str(next(port for port in range(17_200, 17_900) if is_free(port))),
        "MLFLOW_PORT": str(next(port for port in range(18_000, 18_900) if is_free(port))),
    }

    def lorag(*command: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "lorag.cli", "--workspace", str(home / "w"), *command, "--json"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 3):
            raise RuntimeError(f"{command} failed:\n{done.stderr[-2000:]}")
        value: dict[str, Any] = json.loads(done.stdout)
        return value

    taken: dict[str, list[float]] = {"released": [], "answered": []}
    try:
        shutil.copytree(ROOT / "knowledge/v1/documents", home / "docs")
        subprocess.run(
            [sys.executable, "-m", "lorag.cli", "init", str(home / "w"), "--source", str(home / "docs")],
            env=environment,
            capture_output=True,
            check=True,
        )
        lorag("up")
        wait_for(lambda: served(home) is not None)
        # The end of the first run, after its release.
        time.sleep(20)
        for number in range(arguments.edits):
            before, edited = served(home), time.monotonic()
            page = home / "docs" / "slipway.md"
            page.write_text(f"# Slipway\n\nThe cradle of the Quellwick slipway carries {700 + number} tonnes.\n")
            wait_for(lambda before=before: served(home) != before)  # type: ignore[misc]
            taken["released"].append(time.monotonic() - edited)
            found = lorag("search", "What does the cradle of the slipway carry?", "-k", "1")["hits"][0]["text"]
            if str(700 + number) not in found:
                raise ValueError(f"not the new answer: {found}")
            taken["answered"].append(time.monotonic() - edited)
            time.sleep(10)
    finally:
        subprocess.run(
            [sys.executable, "-m", "lorag.cli", "--workspace", str(home / "w"), "down"],
            env=environment,
            capture_output=True,
            check=False,
        )
        shutil.rmtree(home)
    print("| | min | median | max | s |\n|---|---|---|---|---|")
    for name, values in taken.items():
        print(f"| {name} | {min(values):.1f} | {statistics.median(values):.1f} | {max(values):.1f} | |")
    if arguments.json:
        arguments.json.write_text(json.dumps(taken, indent=1) + "\n", encoding="utf-8")


def served(home: Path) -> str | None:
    """Return the release that the workspace serves."""
    pointer = home / "w" / ".lorag" / "current.json"
    return str(json.loads(pointer.read_text())["release"]) if pointer.exists() else None


def wait_for(happened: Any) -> None:
    """Return when `happened()` is true; raise TimeoutError if it takes too long."""
    end = time.monotonic() + PATIENCE_S
    while not happened():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing in {PATIENCE_S} s")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
