"""Measure the cost of a refresh: lorag against LangChain's indexing API and LlamaIndex's ingestion pipeline.

    make bench
    .venv/bin/python benchmarks/refresh.py [--repeats 3] [--share 0.25] [--systems lorag raw langchain]
                                                      [--json out.json]

Phases, on the documentation of KEDA in ../shared/data: `build` (2.13 from nothing), `noop` (2.13 again) and `update`
(to 2.14). The rules:

- The same texts: documents are parsed and cut once, by lorag, and every system indexes exactly these chunks, each with
  a stable id. So only the machinery differs. Parsing and cutting are not counted for any system; `lorag_whole` is lorag
  from the source folder on, in a separate table.
- The same model (all-MiniLM-L6-v2) on the same processor, run in each system's own way: the peers with
  sentence-transformers in torch and their documented classes, lorag with its `auto` backend. This difference counts on
  purpose; `raw` separates it from the rest: lorag's embedder alone on the batches of a build, prepared before.
- The peers run in a separate environment (benchmarks/requirements.lock), with lorag's versions of torch, transformers
  and sentence-transformers, because some of their requirements exclude those of lorag.
- One fresh process per measurement. Imports, loading of the model, one warm-up text, reading of the input and opening
  of saved state come before the timed part. Peak memory is the process's highest resident size, including all of these.
- lorag's timed part ends with a served release: the LanceDB generation is written, read back, checked by the gate,
  fsynced and published. The peers keep vectors in memory, their cheapest store; saving them is timed separately and not
  counted. LangChain's records go to SQLite within the timed part, as its API requires.
- Threads wait in each system's default way. If other work uses the cores, torch's threads spin at their barriers, which
  makes the peers look slower than they are: run this on a quiet machine.
- Systems take turns within every phase of every repeat, and each time another one starts. Ratios are computed within a
  repeat, and given as least, median and greatest. Other load still disturbs wall-clock seconds; processor seconds of
  all threads are also given.

The set-up of each peer is explained at the top of peers/langchain_peer.py and peers/llamaindex_peer.py. The corpus has
no golden questions, so lorag's gate asks none. Retrieval is not compared: all systems index the same texts.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Nothing heavy may be imported here: a child starts with its parent's peak memory.
ROOT = Path(__file__).parents[1]
PEERS_PYTHON = ROOT / "build/bench-venv/bin/python"
MEASURE = ROOT / "benchmarks/peers/measure.py"
PHASES = ["build", "noop", "update"]
SYSTEMS = ["lorag", "raw", "langchain", "llamaindex", "llamaindex_by_chunk", "lorag_whole"]
PEERS = ["langchain", "llamaindex", "llamaindex_by_chunk"]

Result = dict[str, Any]


def main() -> None:
    """Measure, print the tables, write the JSON."""
    arguments = parse_arguments()
    folder = Path(tempfile.mkdtemp(prefix="lorag_refresh_bench_"))
    try:
        corpus = run_child(Path(sys.executable), folder, "corpus", str(arguments.share), "-")
        tell(f"corpus: {json.dumps(corpus)}")
        results = measure_all(folder, arguments.systems, arguments.repeats, arguments.peers_python)
    finally:
        shutil.rmtree(folder)
    report = {"machine": describe_machine(), "corpus": corpus, "ratios": all_ratios(results), "results": results}
    print_report(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    """Parse the command line; exit with a hint if the peers are not installed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="of the documents, where the whole takes too long")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peers-python", type=Path, default=PEERS_PYTHON, help="the interpreter that has the peers")
    arguments = parser.parse_args()
    if set(arguments.systems) & set(PEERS) and not arguments.peers_python.exists():
        parser.error(f"no {arguments.peers_python}: run `make bench`, which installs the peers there")
    return arguments


def measure_all(folder: Path, systems: Sequence[str], repeats: int, peers_python: Path) -> list[Result]:
    """Measure each phase of each system, `repeats` times, in turns."""
    results: list[Result] = []
    for repeat in range(repeats):
        shift = repeat % len(systems)
        for phase in PHASES:
            for system in [*systems[shift:], *systems[:shift]]:
                if system == "raw" and phase != "build":
                    continue
                python = peers_python if system in PEERS else Path(sys.executable)
                result = run_child(python, folder, system, phase, f"state/{repeat}/{system}") | {"repeat": repeat}
                results.append(result)
                tell(
                    f"repeat {repeat + 1}/{repeats}  {phase:<6}  {system:<20}  {result['seconds']:8.2f} s"
                    f"  {result['cpu_s']:8.2f} cpu s  {result['n_embedded']:5} embedded  {result['peak_mb']:6.0f} MB"
                )
    check_same_rows(results)
    return results


def run_child(python: Path, folder: Path, system: str, phase: str, state: str) -> Result:
    """Run one measurement; raise RuntimeError with the end of the child's log if it fails."""
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "true",
        "LANGSMITH_TRACING": "false",
    }
    command = [str(python), str(MEASURE), system, phase, str(folder / state), str(corpus)]
    child = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if child.returncode:
        raise RuntimeError(f"{system} {phase} failed:\n{child.stderr[-2000:]}")
    result: Result = json.loads(child.stdout.splitlines()[-1])
    return result


def check_same_rows(results: Sequence[Result]) -> None:
    """Raise ValueError unless all systems end with the same number of rows in a phase."""
    for phase in PHASES:
        counts = {r["system"]: r["n_rows"] for r in results if r["phase"] == phase and r["system"] != "raw"}
        if len(set(counts.values())) > 1:
            raise ValueError(f"{phase}: the systems hold different numbers of rows: {counts}")


def all_ratios(results: Sequence[Result]) -> list[Result]:
    """Return the ratio of each peer's time to lorag's, and lorag's share of raw speed, within each repeat."""
    seconds = {(r["system"], r["phase"], r["repeat"]): r for r in results}
    pairs = [(peer, "lorag", phase) for peer in PEERS for phase in PHASES]
    rows = []
    for over, under, phase in [*pairs, ("raw", "lorag", "build")]:
        for unit in ("seconds", "cpu_s"):
            values = [
                result[unit] / max(seconds[under, phase, repeat][unit], 1e-9)
                for (system, at, repeat), result in seconds.items()
                if (system, at) == (over, phase) and (under, phase, repeat) in seconds
            ]
            if values:
                rows.append({"over": over, "under": under, "phase": phase, "unit": unit, **spread(values)})
    return rows


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return least, median and greatest."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def print_report(report: Result) -> None:
    """Print the tables in Markdown."""
    results, corpus = report["results"], report["corpus"]
    print(f"\n{report['machine']['processor']}, {report['machine']['cores']} cores; {json.dumps(corpus)}\n")
    print("| phase | system | seconds (min / median / max) | cpu s | embedded | peak MB | save s, not counted |")
    print("|---|---|---|---|---|---|---|")
    for phase in PHASES:
        for system in SYSTEMS:
            found = [r for r in results if (r["phase"], r["system"]) == (phase, system)]
            if found:
                print(f"| {phase} | {system} | {describe(found)} |")
    print("\n| phase | ratio | wall clock (min / median / max) | processor time |\n|---|---|---|---|")
    ratios = {(r["over"], r["phase"], r["unit"]): r for r in report["ratios"]}
    for over, phase in dict.fromkeys((r["over"], r["phase"]) for r in report["ratios"]):
        wall, cpu = ratios[over, phase, "seconds"], ratios[over, phase, "cpu_s"]
        print(f"| {phase} | {over} / lorag | {show_spread(wall)} | {show_spread(cpu)} |")
    print("\nWhere the time goes (medians, s):")
    for phase in PHASES:
        for system in SYSTEMS:
            found = [r for r in results if (r["phase"], r["system"]) == (phase, system) and r["parts"]]
            if found:
                parts = {name: statistics.median(r["parts"].get(name, 0) for r in found) for name in found[0]["parts"]}
                print(f"  {phase} {system}: " + ", ".join(f"{name} {value:.2f}" for name, value in parts.items()))


def describe(found: Sequence[Result]) -> str:
    """Return a row of the first table: medians, and the spread of the seconds."""
    saves = [r["save_s"] for r in found if r["save_s"] is not None]
    cells = [
        show_spread(spread([r["seconds"] for r in found])),
        f"{statistics.median(r['cpu_s'] for r in found):.2f}",
        str(found[0]["n_embedded"]),
        f"{statistics.median(r['peak_mb'] for r in found):.0f}",
        f"{statistics.median(saves):.2f}" if saves else "",
    ]
    return " | ".join(cells)


def show_spread(value: dict[str, float]) -> str:
    """Return three figures with two decimals."""
    return f"{value['min']:.2f} / {value['median']:.2f} / {value['max']:.2f}"


def describe_machine() -> Result:
    """Return the properties of the machine on which the figures depend."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    flags = set(fields.get("flags", "").split())
    return {
        "processor": fields.get("model name", platform.processor()),
        "bf16_in_hardware": bool(flags & {"avx512_bf16", "amx_bf16"}),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
    }


def tell(line: str) -> None:
    """Print progress on standard error."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
