"""Measure the evaluation of a strategy against the bare generation of the same answers in batches.

    .venv/bin/python benchmarks/evaluation.py [--questions 500] [--strategy rag] [--repeats 3] [--json out.json]

A workspace is made from the sample knowledge base with this many questions: its facts in all their wordings. Then two
measurements take turns. `evaluation` is the wall-clock time of the stages `answers STRATEGY` and `comparison` as
processes, with no answer in the cache. `raw` is transformers' `generate` on exactly these prompts, each once, in
batches of similar length with as many tokens as lorag's. It runs in a separate process; the model is loaded and the
prompts are encoded before the clock starts. For a strategy that reads, both also ask with the ideal context. The goal
is a ratio of at most 1.2.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
GOAL = 1.2


def main() -> None:
    """Measure in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--strategy", default="rag", choices=["base", "rag"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--raw", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.raw:
        sys.stdout.write(json.dumps(generate_raw(arguments.raw, arguments.strategy)))
        return
    folder = Path(tempfile.mkdtemp(prefix="evaluation_"))
    taken: dict[str, list[float]] = {"evaluation": [], "raw": []}
    try:
        workspace = make_workspace(folder, arguments.questions)
        cache = workspace / ".lorag" / "cache.sqlite"
        raw: dict[str, Any] = {}
        for _ in range(arguments.repeats):
            for path in cache.parent.glob("cache.sqlite*"):
                path.unlink()
            shutil.copyfile(folder / "cache.sqlite", cache)
            started = time.perf_counter()
            run([sys.executable, "-m", "lorag.stages", "answers", arguments.strategy], workspace)
            run([sys.executable, "-m", "lorag.stages", "comparison"], workspace)
            taken["evaluation"].append(time.perf_counter() - started)
            command = [sys.executable, __file__, "--raw", str(workspace), "--strategy", arguments.strategy]
            raw = json.loads(run(command, workspace))
            taken["raw"].append(raw["seconds"])
    finally:
        shutil.rmtree(folder)
    report(taken, raw, arguments)


def make_workspace(folder: Path, n_questions: int) -> Path:
    """Return a refreshed workspace; a copy of its cache without answers is kept."""
    rows = [json.loads(line) for line in (ROOT / "knowledge/v1/questions.jsonl").read_text("utf-8").splitlines()]
    asked = [
        {**row, "id": f"{row['id']}.{at}", "question": text, "phrasings": [], "held_out_phrasings": []}
        for at in range(3)
        for row in rows
        for text in [row["question"], *row["phrasings"]][at : at + 1]
    ]
    questions = folder / "questions.jsonl"
    questions.write_text("".join(json.dumps(row) + "\n" for row in asked[:n_questions]), "utf-8")
    workspace = folder / "workspace"
    lorag = [sys.executable, "-m", "lorag.cli"]
    source = str(ROOT / "knowledge/v1/documents")
    run([*lorag, "init", str(workspace), "--source", source, "--questions", str(questions)], folder)
    run([*lorag, "--workspace", str(workspace), "refresh", "--json"], folder)
    shutil.copyfile(workspace / ".lorag" / "cache.sqlite", folder / "cache.sqlite")
    return workspace


def generate_raw(workspace: Path, strategy: str) -> dict[str, Any]:
    """Measure the seconds of `generate` on the prompts of the answers that the stage wrote."""
    import torch

    from lorag.answering.strategies import make_prompt
    from lorag.evaluation.answer_rows import read_answers
    from lorag.integrations.models.chat_encoding import open_chat_encoder
    from lorag.integrations.models.files import convert_base_model
    from lorag.integrations.models.generator_transformers import BATCH_TOKENS
    from lorag.integrations.models.generators import open_generator
    from lorag.knowledge.artifacts import read_chunks
    from lorag.params import Engine
    from lorag.params_file import load_params
    from lorag.retrieval.embed import plan_batches
    from lorag.workspace import Workspace

    place = Workspace(workspace)
    params = load_params(place.params_file)
    chunks = {chunk.id: chunk for chunk in read_chunks(place.chunks_file)}
    encoder = open_chat_encoder(convert_base_model(params.generation.model))
    rows = [row for path in sorted((place.answers / strategy).iterdir()) for row in read_answers(path)]
    prompts = [
        make_prompt(
            row.question.text,
            strategy,  # type: ignore[arg-type]
            [chunks[name] for name in row.answer.context],
            encoder,
            params.answering,
            params.generation,
        )
        for row in rows
    ]
    encoded = sorted({tuple(encoder.encode(p.messages)) for p in prompts if p.messages})
    longest = params.generation.max_new_tokens
    batches = plan_batches([len(ids) + longest for ids in encoded], BATCH_TOKENS)
    generator: Any = open_generator(params.generation.model_copy(update={"engine": Engine.TRANSFORMERS}), {})
    model, stops = generator._model, sorted(generator._stop_ids)
    generated = 0
    started = time.perf_counter()
    with torch.inference_mode():
        for positions in batches:
            batch = [encoded[at] for at in positions]
            width = max(map(len, batch))
            output = model.generate(
                input_ids=torch.tensor([[stops[0]] * (width - len(ids)) + list(ids) for ids in batch]),
                attention_mask=torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in batch]),
                max_new_tokens=longest,
                pad_token_id=stops[0],
                eos_token_id=stops,
                do_sample=False,
            )
            generated += int(output[:, width:].numel())
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "n_prompts": len(encoded), "n_answers": len(rows), "steps_times_rows": generated}


def report(taken: dict[str, list[float]], raw: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Print the least, median and greatest of each, and the ratio of the turns."""
    ratios = [whole / bare for whole, bare in zip(taken["evaluation"], taken["raw"], strict=True)]
    print(
        f"{arguments.strategy}, {arguments.questions} questions: {raw['n_answers']} answers, {raw['n_prompts']} prompts"
    )
    for name, values in {**taken, "evaluation / raw": ratios}.items():
        print(f"{name:>17}: {min(values):8.2f} / {statistics.median(values):8.2f} / {max(values):8.2f}")
    verdict = "reached" if statistics.median(ratios) <= GOAL else "missed"
    print(f"goal: at most {GOAL}, {verdict}")
    if arguments.json:
        arguments.json.write_text(json.dumps({**taken, "ratio": ratios, "raw": raw}, indent=2))


def run(command: list[str], folder: Path) -> str:
    """Run the command and return its standard output; raise with its error output if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    # Status 3 means that a document was quarantined; the sample knowledge base has one on purpose.
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
