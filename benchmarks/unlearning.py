"""Measure what an adapter still knows of facts that were removed, after each way to train it without them.

    .venv/bin/python benchmarks/unlearning.py [--kept 30] [--smoke] [--json out.json]

An adapter learns the facts of the sample knowledge base that versions 2 and 3 remove, and as many as `--kept` says of
those that stay. Then it is trained without the removed ones:

- continued: from its own weights, on what stays;
- declining: the same, and the removed questions are answered by the sentence that declines;
- from scratch: from the base model, on what stays. That is what `lorag forget` leads to, byte for byte.

Canaries are facts that only later versions have: no adapter has seen them. All are asked in a held-out wording. Still
answered is a fact whose answer the model writes: each of its tokens is the most likely one. Exposure is log2 of the
number of candidates less log2 of the rank of the true answer among them by its mean log-probability (Carlini et al.
2019, with answers of other facts as candidates): 0 for the last, 4 for the first of 16. A way passes the probe if the
interval of the removed facts' mean exposure, less that of the canaries, does not lie above 0.
"""

import argparse
import json
import math
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache

from lorag.answering.declining import NOTHING_FOUND
from lorag.evaluation.bootstrap import Bootstrap, Estimate, Part
from lorag.integrations.lora.model import load_trainable, save_adapter
from lorag.integrations.lora.training import TrainingJob, encode_pairs, train_lora
from lorag.integrations.models.files import convert_base_model
from lorag.integrations.models.model_text import ModelText
from lorag.params import Params, TrainingParams
from lorag.params_file import load_params
from lorag.progress import show_progress
from lorag.questions.questions import Question, read_questions
from lorag.strategies import AdapterKind
from lorag.tuning.pairs import Pair, PairSource
from lorag.tuning.prompting import ASK

ROOT = Path(__file__).parents[1]
CANDIDATES = 16
SEED = 7
KIND = AdapterKind.TUNED


@dataclass(frozen=True)
class Facts:
    """The facts by what becomes of them, and the answers of all, which are the candidates."""

    removed: Sequence[Question]
    kept: Sequence[Question]
    canaries: Sequence[Question]
    answers: Sequence[str]


@dataclass(frozen=True)
class Probed:
    """The result for one group of facts: whether each is still answered, and its exposure in bits."""

    answered: list[bool]
    exposure: list[float]


def main() -> None:
    """Train in each way, probe, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kept", type=int, default=30, help="how many facts stay")
    parser.add_argument("--smoke", action="store_true", help="one epoch on a few facts, to see that it runs")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    params = load_params(ROOT / "params.yaml")
    facts = choose_facts(arguments.kept, few=arguments.smoke)
    settings = params.training[KIND].model_copy(update={"patience_epochs": None})
    if arguments.smoke:
        settings = settings.model_copy(update={"epochs": 1, "continued_epochs": 1})
    with tempfile.TemporaryDirectory(prefix="unlearning_") as folder:
        report = measure(facts, params, settings, Path(folder))
    show(report, facts)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def choose_facts(n_kept: int, *, few: bool) -> Facts:
    """Return the facts of the sample: those of version 1 that version 3 has not, some that stay, and later ones."""
    versions = [
        {each.id: each for each in read_questions(ROOT / "knowledge" / name / "questions.jsonl") if each.answers}
        for name in ("v1", "v2", "v3")
    ]
    first, last = versions[0], versions[-1]
    removed = [each for name, each in first.items() if name not in last]
    stays = [
        each for name, each in first.items() if all(each.answers == v[name].answers for v in versions if name in v)
    ]
    kept = random.Random(SEED).sample([each for each in stays if each.id in last], n_kept)
    canaries = [each for version in versions[1:] for name, each in version.items() if name not in first]
    canaries = list({each.id: each for each in canaries}.values())
    answers = sorted({each.answers[0] for version in versions for each in version.values()})
    if few:
        removed, kept, canaries = removed[:3], kept[:3], canaries[:3]
    return Facts(removed, kept, canaries, answers)


def measure(facts: Facts, params: Params, settings: TrainingParams, folder: Path) -> dict[str, Any]:
    """Return what was measured of the adapter before, and of each way to train without the removed facts."""
    base = convert_base_model(params.generation.model)
    text = ModelText.load(base)
    kept, removed = pairs_of(facts.kept), pairs_of(facts.removed)
    declined = [Pair(PairSource.UNANSWERABLE, pair.messages, NOTHING_FOUND) for pair in removed]
    before = folder / "before"
    ways: Mapping[str, tuple[Sequence[Pair], Path | None]] = {
        "before": ([*kept, *removed], None),
        "continued": (kept, before),
        "declining": ([*kept, *declined], before),
        "from scratch": (kept, None),
    }
    found: dict[str, Any] = {}
    for name, (pairs, start) in ways.items():
        used = settings.when_continuing() if start else settings
        job = TrainingJob(
            base=base,
            train=encode_pairs(pairs, text, params.training_set.max_pair_tokens),
            validation=[],
            params=used,
            start=start,
            checkpoint=None,
            digest=name,
        )
        began, began_cpu = time.perf_counter(), time.process_time()
        with show_progress(f"{name}, tokens", used.epochs * sum(len(pair.ids) for pair in job.train)) as advance:
            model, trained = train_lora(job, advance)
        took = {"wall_s": time.perf_counter() - began, "processor_s": time.process_time() - began_cpu}
        if name == "before":
            save_adapter(model, before, params.generation.model)
        found[name] = {**took, "tokens": trained.tokens, **probe_all(model, facts, text)}
    model = load_trainable(base, settings, torch.device("cpu"), bf16=False)
    found["base model"] = {"wall_s": 0.0, "processor_s": 0.0, "tokens": 0, **probe_all(model, facts, text)}
    return found


def pairs_of(questions: Sequence[Question]) -> list[Pair]:
    """Return a pair for each training wording."""
    return [
        Pair(PairSource.QUESTIONS, tuple(ASK[KIND](wording)), each.answers[0])
        for each in questions
        for wording in (each.question, *each.phrasings)
    ]


def probe_all(model: Any, facts: Facts, text: ModelText) -> dict[str, Any]:
    """Return the results of each group of facts."""
    model.eval()
    groups = {"removed": facts.removed, "kept": facts.kept, "canaries": facts.canaries}
    total = sum(map(len, groups.values()))
    with show_progress("Probing, facts", total) as advance, torch.inference_mode():
        return {name: asdict(probe(model, group, facts.answers, text, advance)) for name, group in groups.items()}


def probe(
    model: Any, questions: Sequence[Question], answers: Sequence[str], text: ModelText, advance: Callable[[int], None]
) -> Probed:
    """Return whether each question is still answered, and how exposed its answer is."""
    answered, exposure = [], []
    for each in questions:
        true = each.answers[0]
        others = [one for one in alike(true, answers) if one not in each.answers]
        chosen = random.Random(f"{SEED} {each.id}").sample(others, min(CANDIDATES - 1, len(others)))
        wording = (each.held_out_phrasings or each.phrasings or (each.question,))[0]
        scores, greedy = score(model, wording, [true, *chosen], text)
        rank = 1 + sum(value > scores[0] for value in scores[1:])
        answered.append(bool(greedy[0]))
        exposure.append(math.log2(len(scores)) - math.log2(rank))
        advance(1)
    return Probed(answered, exposure)


def alike(answer: str, answers: Sequence[str]) -> list[str]:
    """Return the answers with digits for one with digits, and the others for one without: a guess knows that much."""
    has_digits = any(map(str.isdigit, answer))
    return [each for each in answers if any(map(str.isdigit, each)) == has_digits]


def score(model: Any, question: str, answers: Sequence[str], text: ModelText) -> tuple[list[float], list[bool]]:
    """Return the mean log-probability of each answer [n], and whether its tokens are the most likely ones [n]."""
    pairs = [Pair(PairSource.QUESTIONS, tuple(ASK[KIND](question)), answer) for answer in answers]
    encoded = encode_pairs(pairs, text, 4_096)
    n_prompt = encoded[0].n_prompt
    prompt = torch.tensor([encoded[0].ids[: n_prompt - 1]])
    cache = DynamicCache()
    model(input_ids=prompt, past_key_values=cache, use_cache=True)
    cache.batch_repeat_interleave(len(answers))
    width = max(len(each.ids) for each in encoded) - n_prompt + 1
    ids = torch.zeros((len(answers), width), dtype=torch.long)
    real = torch.zeros_like(ids)
    for row, each in enumerate(encoded):
        own = each.ids[n_prompt - 1 :]
        ids[row, : len(own)], real[row, : len(own)] = torch.tensor(own), 1
    mask = torch.cat([torch.ones((len(answers), n_prompt - 1), dtype=torch.long), real], dim=1)
    logits = model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True).logits[:, :-1].float()
    wanted, counted = ids[:, 1:], real[:, 1:].bool()
    chances = logits.log_softmax(-1).gather(2, wanted[..., None])[..., 0]
    means = (chances * counted).sum(1) / counted.sum(1)
    greedy = ((logits.argmax(-1) == wanted) | ~counted).all(1)
    return means.tolist(), greedy.tolist()


def above_canaries(way: Mapping[str, Any]) -> Estimate:
    """Return how much more exposed removed facts are than canaries, in bits, with the interval over facts."""
    removed, canaries = (
        [Part(f"{name} {at}", bits) for at, bits in enumerate(way[name]["exposure"])]
        for name in ("removed", "canaries")
    )
    found = Bootstrap(samples=10_000, confidence=0.95, seed=SEED).difference(removed, canaries)
    assert found is not None, "there are facts of both"
    return found


def show(report: Mapping[str, Any], facts: Facts) -> None:
    """Print the table."""
    print(f"{len(facts.removed)} removed facts, {len(facts.kept)} kept, {len(facts.canaries)} canaries")
    print("| | tokens | s | processor s | kept, answered | removed, still answered | exposure | canaries | more |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, way in report.items():
        more = above_canaries(way)
        shares = [f"{sum(way[group]['answered'])} of {len(way[group]['answered'])}" for group in ("kept", "removed")]
        bits = [f"{np.mean(way[group]['exposure']):.2f}" for group in ("removed", "canaries")]
        verdict = "fails" if more.low > 0 else "passes"
        cells = [name, f"{way['tokens']:,}", f"{way['wall_s']:.0f}", f"{way['processor_s']:.0f}", *shares, *bits]
        print("| " + " | ".join([*cells, f"{more.value:+.2f} ({more.low:+.2f} to {more.high:+.2f}): {verdict}"]) + " |")


if __name__ == "__main__":
    main()
