"""Measure the cost of training an adapter: lorag's loop against TRL's SFTTrainer.

    make bench-retrain
    .venv/bin/python benchmarks/retrain.py [--repeats 2] [--epochs 2] [--pairs 200] [--json out.json]

The rules:

- The same pairs: for each of DyKnow's facts in ../shared/data, the question and its paraphrases with the first answer,
  in the chat template. TRL gets prompt and completion as text, with the loss on the completion only. Its token ids must
  equal lorag's, otherwise the run fails.
- The same base model, rank, target modules, epochs, learning rate, schedule, warm-up, clipping and optimiser. lorag's
   batches are limited by tokens, from params.yaml; TRL's have the number of pairs that gives as many steps.
- TRL with its defaults (bf16 autocast over fp32 weights, gradient checkpointing), and with `bf16=False`. After the
  first repeat the slower of the two is left out, and ratios are against the faster one.
- One fresh process per measurement, in turns. The clock runs from the end of the first step to the end of the last:
  no imports, no loading, no warm-up. Tokens are those of the pairs, without padding. Peak memory is the process's
  highest resident size when training ends, including everything.
- The same code measures the loss of both afterwards, in fp32, from the saved adapters: the mean over the answer tokens
  of the training pairs.
- Matrix throughput is torch.mm on the shapes of the model's layers with a batch's tokens. A token of training needs 4
  operations per weight, forward and back to the input, because weights are frozen; the output layer counts only where
  there is a label. The adapter's own products are left out.
- Then lorag's other methods are trained on the first pairs, one epoch each: tokens per second and peak memory.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from refresh import PEERS_PYTHON, ROOT, Result, describe_machine, show_spread, spread, tell

MEASURE = ROOT / "benchmarks/peers/retrain_measure.py"
METHODS = ["lora", "rslora", "dora", "qlora"]
TRL = ["trl", "trl_fp32"]


def main() -> None:
    """Measure, print the tables, write the JSON."""
    arguments = parse_arguments()
    folder = Path(tempfile.mkdtemp(prefix="lorag_retrain_bench_"))
    try:
        report = measure_all(folder, arguments)
    finally:
        shutil.rmtree(folder)
    print_report(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    """Parse the command line; exit with a hint if TRL is not installed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--method-pairs", type=int, default=100, help="of the comparison of methods; 0: none")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peers-python", type=Path, default=PEERS_PYTHON, help="the interpreter that has TRL")
    arguments = parser.parse_args()
    if not arguments.peers_python.exists():
        parser.error(f"no {arguments.peers_python}: run `make bench-retrain`, which installs TRL there")
    return arguments


def measure_all(folder: Path, arguments: argparse.Namespace) -> Result:
    """Measure both systems in turns, `repeats` times, then the losses of their adapters and the methods."""
    own = Path(sys.executable)
    setup = run_child(own, "prepare", folder, n_pairs=arguments.pairs)
    tell(f"pairs: {json.dumps(setup)}")
    products = run_child(own, "products", folder)
    results: list[Result] = []
    systems = ["lorag", *TRL]
    for repeat in range(arguments.repeats):
        shift = repeat % len(systems)
        for system in [*systems[shift:], *systems[:shift]]:
            results.append(measure(folder, system, repeat, arguments))
        if repeat == 0:
            systems = ["lorag", faster_trl(results)]
    untrained = run_child(own, "loss", folder, adapter=None)["loss"]
    return {
        "machine": describe_machine(),
        "setup": setup | {"epochs": arguments.epochs, "loss_before": untrained},
        "products": products,
        "results": results,
        "ratios": all_ratios(results),
        "methods": measure_methods(folder, arguments.method_pairs),
    }


def measure(folder: Path, system: str, repeat: int, arguments: argparse.Namespace) -> Result:
    """Measure one training run and the loss of its adapter."""
    adapter = f"adapter_{repeat}_{system}"
    if system == "lorag":
        result = run_child(
            Path(sys.executable), "lorag", folder, epochs=arguments.epochs, method="lora", adapter=adapter
        )
    else:
        result = run_child(
            arguments.peers_python, "trl", folder, epochs=arguments.epochs, bf16=system == "trl", adapter=adapter
        )
    result |= run_child(Path(sys.executable), "loss", folder, adapter=adapter)
    result |= {"system": system, "repeat": repeat}
    tell(
        f"repeat {repeat + 1}/{arguments.repeats}  {system:<8}  {result['tokens_a_second']:7.1f} tokens/s"
        f"  loss {result['loss']:.4f}  {result['peak_mb']:6.0f} MB  {result['backend']}"
    )
    return result


def measure_methods(folder: Path, n_pairs: int) -> list[Result]:
    """Measure one epoch on the first pairs with each method."""
    rows = []
    for method in METHODS if n_pairs else []:
        result = run_child(
            Path(sys.executable), "lorag", folder, epochs=1, method=method, n_pairs=n_pairs, adapter=f"method_{method}"
        )
        rows.append({"method": method, **result})
        tell(f"{method:<8}  {result['tokens_a_second']:7.1f} tokens/s  {result['peak_mb']:6.0f} MB")
    return rows


def run_child(python: Path, what: str, folder: Path, **settings: Any) -> Result:
    """Run one measurement; raise RuntimeError with the end of the child's log if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1"}
    command = [str(python), str(MEASURE), what, str(folder), json.dumps(settings)]
    child = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if child.returncode:
        raise RuntimeError(f"{what} failed:\n{child.stderr[-2000:]}")
    result: Result = json.loads(child.stdout.splitlines()[-1])
    return result


def faster_trl(results: Sequence[Result]) -> str:
    """Return the one of TRL's two ways with more tokens per second."""
    best = max((r for r in results if r["system"] in TRL), key=lambda r: float(r["tokens_a_second"]))
    return str(best["system"])


def all_ratios(results: Sequence[Result]) -> Result:
    """Return the ratios of lorag to TRL's better way, within each repeat: tokens per second, peak memory and loss."""
    peer = faster_trl(results)
    found = {(r["system"], r["repeat"]): r for r in results}
    repeats = sorted({r["repeat"] for r in results})
    return {"peer": peer} | {
        unit: spread([found["lorag", repeat][unit] / found[peer, repeat][unit] for repeat in repeats])
        for unit in ("tokens_a_second", "peak_mb", "loss")
    }


def print_report(report: Result) -> None:
    """Print the tables in Markdown."""
    products, results = report["products"], report["results"]
    machine = report["machine"]
    print(f"\n{machine['processor']}, {machine['cores']} cores; {json.dumps(report['setup'])}")
    rates = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in products["flops"].items())
    print(f"matrix products, GFLOP/s: {rates}; a token needs {products['flops_a_token'] / 1e9:.3f} GFLOP\n")
    print("| system | tokens/s | final loss | peak MB | share of bf16 products | of fp32 | backend |")
    print("|---|---|---|---|---|---|---|")
    for system in ["lorag", *TRL]:
        runs = [r for r in results if r["system"] == system]
        speed, loss = spread([r["tokens_a_second"] for r in runs]), spread([r["loss"] for r in runs])
        peak = statistics.median(r["peak_mb"] for r in runs)
        used = speed["median"] * products["flops_a_token"]
        shares = " | ".join(f"{used / products['flops'][name]:.1%}" for name in ("bfloat16", "float32"))
        line = f"{show_spread(speed)} | {loss['median']:.4f} | {peak:.0f} | {shares} | {runs[0]['backend']}"
        print(f"| {system} | {line} |")
    ratios = report["ratios"]
    print(f"\nlorag / {ratios['peer']} (min / median / max):")
    for unit in ("tokens_a_second", "peak_mb", "loss"):
        print(f"  {unit} {show_spread(ratios[unit])}")
    if report["methods"]:
        print("\n| method | tokens/s | peak MB |\n|---|---|---|")
        for row in report["methods"]:
            print(f"| {row['method']} | {row['tokens_a_second']:.0f} | {row['peak_mb']:.0f} |")


if __name__ == "__main__":
    main()
