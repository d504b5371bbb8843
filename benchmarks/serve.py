"""Measure `lorag serve` on the sample knowledge base: searches, answers, memory, and releases that change under load.

    make bench-serve
    .venv/bin/python benchmarks/serve.py [--parts search answers memory releases peer] [--smoke] [--json out.json]

The service is a process of its own over version 1 of the sample, with the params of this repository, except that a key
may ask as often as it likes. `search` asks at 20 requests a second, whether or not the earlier ones have been answered,
and counts a request's time from the moment at which it was due. `answers` asks `lorag-base`, whose text comes while it
is written: the seconds until the first words of one client at a time, and the tokens a second of one client and of
eight, who ask the same questions. `memory` is the resident memory over 1,000 answers by `rag`, after a hundred to warm
up. `releases` publishes an edit and rolls it back, 20 times, while two clients search without a pause: none may fail.
`peer` asks the questions of `answers` of `transformers serve`, with the same model in float32 and continuous batching.

`--smoke` asks a few questions of each part, to see that everything runs; its figures say nothing.
"""

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from lorag.integrations.machine.local_http import is_free

ROOT = Path(__file__).parents[1]
KEY = "the-key-of-the-benchmark"
PARTS = ("search", "answers", "memory", "releases", "peer")
RATE = 20.0
NEW_TOKENS = 48
START_S = 300
GOALS = {
    "search p95, ms": ("<=", 60.0),
    "first words, s, median": ("<=", 0.5),
    "eight clients over one, tokens/s": (">=", 3.0),
    "memory after all over after a hundred": ("<=", 1.05),
    "failed searches while releases change": ("<=", 0.0),
}


@dataclass(frozen=True)
class Size:
    """How much is asked in each part."""

    searches: int
    answers: int
    warm_up: int
    memory: int
    releases: int


WHOLE = Size(searches=1_200, answers=32, warm_up=100, memory=1_000, releases=20)
SMOKE = Size(searches=20, answers=2, warm_up=2, memory=6, releases=1)


def main() -> None:
    """Measure the parts and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    size = SMOKE if arguments.smoke else WHOLE
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="serve_") as folder:
        place = Place(Path(folder))
        place.make()
        parts = [part for part in PARTS if part in arguments.parts and part != "peer"]
        if parts:
            with service(place) as (client, process):
                for part in parts:
                    found |= MEASURES[part](client, process, place, size)
                    print(f"{part}: {found}", file=sys.stderr)
        if "peer" in arguments.parts:
            with peer(place) as (client, model):
                found |= measure_answers(client, model, "transformers serve: ", size)
    report(found, smoke=arguments.smoke)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Place:
    """A workspace over a copy of the sample's first version."""

    folder: Path

    @property
    def workspace(self) -> Path:
        """The workspace."""
        return self.folder / "w"

    def make(self) -> None:
        """Make it, and publish its first release."""
        shutil.copytree(ROOT / "knowledge/v1/documents", self.folder / "docs")
        self.lorag("init", str(self.workspace), "--source", str(self.folder / "docs"))
        params = self.workspace / "params.yaml"
        text = params.read_text(encoding="utf-8")
        params.write_text(text.replace("requests_per_minute: 1200", "requests_per_minute: 1000000"), encoding="utf-8")
        self.lorag("--workspace", str(self.workspace), "refresh")

    def lorag(self, *command: str) -> None:
        """Run a command; raises RuntimeError if it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "lorag.cli", *command],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 3):
            raise RuntimeError(f"{command} failed:\n{done.stderr[-2000:]}")


def environment() -> dict[str, str]:
    """Return the environment of commands, without addresses of other servers."""
    foreign = ("PREFECT", "MLFLOW", "LORAG_OPENAI")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {"LORAG_SERVE_KEY": KEY}


def questions() -> list[str]:
    """Return the questions of the sample's first version."""
    lines = (ROOT / "knowledge/v1/questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["question"] for line in lines]


@contextmanager
def service(place: Place) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """Yield a client of the running service, and its process."""
    port = free_port()
    command = [sys.executable, "-m", "lorag.cli", "--workspace", str(place.workspace), "serve", "--port", str(port)]
    with running(command, place.folder / "serve.log", f"http://127.0.0.1:{port}", "/readyz") as started:
        yield started


@contextmanager
def peer(place: Place) -> Iterator[tuple[httpx.Client, str]]:
    """Yield a client of `transformers serve`, and the name of the model there: the folder of its weights."""
    from lorag.integrations.models.files import convert_base_model
    from lorag.params_file import load_params

    folder = str(convert_base_model(load_params(place.workspace / "params.yaml").generation.model))
    port = free_port()
    program = str(Path(sys.executable).with_name("transformers"))
    command = [program, "serve", folder, "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    # Its cache would otherwise take most of the memory: 16,384 tokens are enough for eight clients.
    command += ["--continuous-batching", "--cb-block-size", "32", "--cb-num-blocks", "512"]
    with running(command, place.folder / "peer.log", f"http://127.0.0.1:{port}", "/health") as (client, _):
        yield client, folder


@contextmanager
def running(
    command: Sequence[str], log: Path, address: str, ready: str
) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """Yield a client of the command's server once it answers at `ready`; the server ends with the body."""
    limits = httpx.Limits(max_connections=64)
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        headers = {"Authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=address, headers=headers, timeout=300, limits=limits) as client:
            end = time.monotonic() + START_S
            while not answers(client, ready):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{command[1:4]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
                time.sleep(0.2)
            yield client, psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            # transformers waits for its own threads, with all of its memory.
            process.kill()
            process.wait()


def answers(client: httpx.Client, path: str) -> bool:
    """Return whether a server answers with success there."""
    try:
        return client.get(path).is_success
    except httpx.TransportError:
        return False


def measure_search(client: httpx.Client, process: psutil.Process, place: Place, size: Size) -> dict[str, float]:
    """Search at a fixed rate, and return percentiles of the milliseconds from when a request was due."""
    asked = list(itertools.islice(itertools.cycle(questions()), size.searches))
    for question in asked[: size.warm_up]:
        client.post("/v1/search", json={"query": question}).raise_for_status()
    began = time.perf_counter() + 0.1

    def ask(number: int) -> float:
        due = began + number / RATE
        time.sleep(max(0.0, due - time.perf_counter()))
        client.post("/v1/search", json={"query": asked[number]}).raise_for_status()
        return 1_000 * (time.perf_counter() - due)

    with ThreadPoolExecutor(32) as pool:
        taken = sorted(pool.map(ask, range(len(asked))))
    return {
        "search p50, ms": statistics.median(taken),
        "search p95, ms": taken[int(0.95 * (len(taken) - 1))],
    }


def measure_answers(client: httpx.Client, model: str, prefix: str, size: Size) -> dict[str, float]:
    """Ask one by one and eight at once, and return the seconds to the first words and the tokens a second."""
    asked = questions()[: size.answers]
    write(client, model, asked[0])
    first = [first_words_s(client, model, question) for question in asked]
    rates = {}
    for n_clients in (1, 8):
        # Eight clients ask eight times as many, so that they are all busy for most of the time.
        every = asked if n_clients == 1 else [question for question in asked for _ in range(n_clients)]
        began = time.perf_counter()
        with ThreadPoolExecutor(n_clients) as pool:
            n_tokens = sum(pool.map(lambda question: write(client, model, question), every))
        rates[n_clients] = n_tokens / (time.perf_counter() - began)
    return {
        f"{prefix}first words, s, median": statistics.median(first),
        f"{prefix}tokens/s, one client": rates[1],
        f"{prefix}tokens/s, eight clients": rates[8],
        f"{prefix}eight clients over one, tokens/s": rates[8] / rates[1],
    }


def chat(model: str, question: str) -> dict[str, Any]:
    """Return the body of a request."""
    messages = [{"role": "user", "content": question}]
    return {"model": model, "messages": messages, "max_tokens": NEW_TOKENS, "temperature": 0}


def write(client: httpx.Client, model: str, question: str) -> int:
    """Return how many tokens were written."""
    response = client.post("/v1/chat/completions", json=chat(model, question))
    response.raise_for_status()
    return int(response.json()["usage"]["completion_tokens"])


def first_words_s(client: httpx.Client, model: str, question: str) -> float:
    """Return the seconds until the first words of an answer."""
    began = time.perf_counter()
    with client.stream("POST", "/v1/chat/completions", json={**chat(model, question), "stream": True}) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("data: {"):
                choices = json.loads(line.removeprefix("data: "))["choices"]
                if choices and choices[0]["delta"].get("content"):
                    return time.perf_counter() - began
    return time.perf_counter() - began


def measure_base(client: httpx.Client, process: psutil.Process, place: Place, size: Size) -> dict[str, float]:
    """Measure answers from memory, whose words come while they are written."""
    return measure_answers(client, "lorag-base", "", size)


def measure_memory(client: httpx.Client, process: psutil.Process, place: Place, size: Size) -> dict[str, float]:
    """Return the resident memory in MiB after the first answers, after each tenth of the others, and after all."""
    asked = itertools.cycle(questions())
    sizes = []
    for n in (size.warm_up, *[max(1, size.memory // 10)] * 10):
        for question in itertools.islice(asked, n):
            client.post("/v1/answers", json={"question": question}).raise_for_status()
        sizes.append(process.memory_info().rss / 2**20)
    print("memory after each tenth, MiB:", ", ".join(f"{one:.0f}" for one in sizes), file=sys.stderr)
    return {
        "memory after a hundred, MiB": sizes[0],
        "memory after half, MiB": sizes[5],
        "memory after all, MiB": sizes[-1],
        "memory after all over after a hundred": sizes[-1] / sizes[0],
        "memory after all over after half": sizes[-1] / sizes[5],
    }


def measure_releases(client: httpx.Client, process: psutil.Process, place: Place, size: Size) -> dict[str, float]:
    """Publish and roll back under load, and return how many searches were made and how many failed."""
    ended = threading.Event()
    asked = itertools.cycle(questions())
    statuses: list[int] = []
    releases: set[str] = set()

    def search() -> None:
        while not ended.is_set():
            try:
                response = client.post("/v1/search", json={"query": next(asked)})
                statuses.append(response.status_code)
                if response.is_success:
                    releases.add(response.json()["release"])
            except httpx.TransportError:
                statuses.append(0)

    with ThreadPoolExecutor(2) as pool:
        searching = [pool.submit(search) for _ in range(2)]
        try:
            for number in range(size.releases):
                text = f"# Slipway\n\nThe cradle of the Quellwick slipway carries {700 + number} tonnes.\n"
                (place.folder / "docs" / "slipway.md").write_text(text, encoding="utf-8")
                for command in ("refresh", "rollback"):
                    place.lorag("--workspace", str(place.workspace), command)
        finally:
            ended.set()
        for each in searching:
            each.result()
    return {
        "searches while releases change": len(statuses),
        "failed searches while releases change": sum(status != 200 for status in statuses),
        "releases that answered": len(releases),
    }


MEASURES: dict[str, Callable[[httpx.Client, psutil.Process, Place, Size], dict[str, float]]] = {
    "search": measure_search,
    "answers": measure_base,
    "memory": measure_memory,
    "releases": measure_releases,
}


def free_port() -> int:
    """Return a port that is free."""
    return next(port for port in range(19_000, 19_900) if is_free(port))


def report(found: dict[str, float], *, smoke: bool) -> None:
    """Print a row for each figure, with its goal and whether it is reached."""
    print(f"{len(os.sched_getaffinity(0))} cores{', a smoke run: the figures say nothing' if smoke else ''}")
    print("| | | goal |\n|---|---|---|")
    for name, value in found.items():
        sign, goal = GOALS.get(name, ("", 0.0))
        reached = value <= goal if sign == "<=" else value >= goal
        said = f"{sign} {goal:g}: {'reached' if reached else 'missed'}" if sign else ""
        print(f"| {name} | {value:.3g} | {said} |")


if __name__ == "__main__":
    main()
