"""Measure `lorag refresh` without a change, as a command, against the minimum of any Prefect flow.

    .venv/bin/python benchmarks/noop.py [--repeats 5] [--json out.json]

A workspace is made from the sample knowledge base and refreshed once. Then two whole processes are timed in turns:
`refresh` (`lorag refresh --json`, which must embed nothing and publish nothing) and `floor` (a process that imports
Prefect with the same settings and runs an empty flow of one task). In both, Prefect's temporary server must start.
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

ROOT = Path(__file__).parents[1]
FLOOR = """
import sys
from pathlib import Path
from lorag.console import terminal as console
console.set_up_prefect(Path(sys.argv[1]), debug=False)
from prefect import flow, task
@task
def nothing(): pass
@flow
def empty(): nothing()
empty()
"""


def main() -> None:
    """Measure in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="noop_"))
    try:
        workspace = folder / "workspace"
        command = [sys.executable, "-m", "lorag.cli"]
        run([*command, "init", str(workspace), "--source", str(ROOT / "knowledge/v1/documents")])
        refresh = [*command, "--workspace", str(workspace), "refresh", "--json"]
        run(refresh)
        taken: dict[str, list[float]] = {"refresh": [], "floor": []}
        for _ in range(arguments.repeats):
            seconds, output = run(refresh)
            outcome: dict[str, Any] = json.loads(output)
            if outcome["published"] or outcome["plan"]["embedded"]:
                raise ValueError(f"not a refresh without change: {output}")
            taken["refresh"].append(seconds)
            taken["floor"].append(run([sys.executable, "-c", FLOOR, str(workspace / ".lorag")])[0])
    finally:
        shutil.rmtree(folder)
    taken["difference"] = [a - b for a, b in zip(taken["refresh"], taken["floor"], strict=True)]
    print("| | min | median | max | s |\n|---|---|---|---|---|")
    for name, values in taken.items():
        print(f"| {name} | {min(values):.2f} | {statistics.median(values):.2f} | {max(values):.2f} | |")
    if arguments.json:
        arguments.json.write_text(json.dumps(taken, indent=1) + "\n", encoding="utf-8")


def run(command: list[str]) -> tuple[float, str]:
    """Return the seconds of a whole process and its output; raise RuntimeError with the end of its log if it fails."""
    begun = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PREFECT_HOME": ""}
    environment.pop("PREFECT_HOME")
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    # Status 3 means that a document was quarantined; the sample knowledge base has one on purpose.
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{command} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - begun, done.stdout


if __name__ == "__main__":
    main()
