"""One measurement of retrain.py in a fresh process: `retrain_measure.py WHAT FOLDER [SETTINGS]`, JSON as its last line.

TRL's part runs in the peers' environment, all others in lorag's. `FOLDER/pairs.json` is the training set of both.
"""

import json
import math
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[3] / "shared/data/dyknow/questions.jsonl"
PARAMS = Path(__file__).parents[2] / "params.yaml"

Result = dict[str, Any]


def prepare(folder: Path, settings: Result) -> Result:
    """Write the pairs as token ids and as text: each fact's question and its paraphrases, with the first answer."""
    from lorag.integrations.lora.training import encode_pairs
    from lorag.integrations.models.files import convert_base_model
    from lorag.integrations.models.model_text import ModelText
    from lorag.params_file import load_params
    from lorag.strategies import AdapterKind
    from lorag.tuning.batches import plan_epoch
    from lorag.tuning.pairs import Pair, PairSource
    from lorag.tuning.prompting import ASK

    facts: Result = {}
    for line in DATA.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        facts.setdefault(record["fact_id"], record)
    asked = [(q, f["answers"][0]) for f in facts.values() for q in (f["question"], *f["cloze_variants"])]
    params = load_params(PARAMS)
    base = convert_base_model(params.generation.model)
    text = ModelText.load(base)
    pairs = [Pair(PairSource.QUESTIONS, tuple(ASK[AdapterKind.TUNED](q)), a) for q, a in asked[: settings["n_pairs"]]]
    encoded = encode_pairs(pairs, text, params.training_set.max_pair_tokens)
    steps = len(plan_epoch([len(pair.ids) for pair in encoded], params.training[AdapterKind.TUNED], 0))
    rows = [
        {
            "ids": e.ids,
            "n_prompt": e.n_prompt,
            "prompt": text.tokenizer.decode(e.ids[: e.n_prompt], skip_special_tokens=False),
            "answer": p.answer,
        }
        for e, p in zip(encoded, pairs, strict=True)
    ]
    tuned = params.training[AdapterKind.TUNED]
    found = {
        "base": str(base),
        "pairs": rows,
        "batch_pairs": round(len(rows) / steps),
        "steps_an_epoch": steps,
        "rank": tuned.rank,
        "alpha": tuned.alpha,
        "learning_rate": tuned.learning_rate,
        "warmup_share": tuned.warmup_share,
    }
    (folder / "pairs.json").write_text(json.dumps(found), encoding="utf-8")
    tokens, labels = sum(len(e.ids) for e in encoded), sum(len(e.ids) - e.n_prompt for e in encoded)
    return {k: v for k, v in found.items() if k not in {"base", "pairs"}} | {
        "n_pairs": len(rows),
        "tokens": tokens,
        "labels": labels,
    }


def run_lorag(folder: Path, settings: Result) -> Result:
    """Train with lorag's loop; the clock runs from the end of the first step to the end of the last."""
    from lorag.integrations.lora.model import save_adapter
    from lorag.integrations.lora.training import Encoded, TrainingJob, train_lora
    from lorag.params import LoraMethod
    from lorag.params_file import load_params
    from lorag.strategies import AdapterKind

    found = _read(folder)
    pairs = [Encoded(row["ids"], row["n_prompt"]) for row in found["pairs"][: settings.get("n_pairs")]]
    params = (
        load_params(PARAMS)
        .training[AdapterKind.TUNED]
        .model_copy(
            update={
                "epochs": settings["epochs"],
                "patience_epochs": None,
                "question_dropout": 0.0,
                "method": LoraMethod(settings["method"]),
            }
        )
    )
    job = TrainingJob(Path(found["base"]), pairs, (), params, start=None, checkpoint=None, digest="benchmark")
    steps: list[tuple[float, int]] = []
    model, report = train_lora(job, lambda n: steps.append((time.perf_counter(), n)))
    peak = _peak_mb()
    save_adapter(model, folder / settings["adapter"], "benchmark")
    return _timed(steps) | {"peak_mb": peak, "backend": report.backend, "reported_loss": report.final_loss}


def run_trl(folder: Path, settings: Result) -> Result:
    """Train with TRL's SFTTrainer on prompt and completion; raise ValueError if its tokens are not lorag's."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    found = _read(folder)
    tokenizer = AutoTokenizer.from_pretrained(found["base"])
    total = math.ceil(len(found["pairs"]) / found["batch_pairs"]) * settings["epochs"]
    options: Result = {} if settings["bf16"] else {"bf16": False}
    trainer = SFTTrainer(
        model=found["base"],
        args=SFTConfig(
            output_dir=str(folder / "trl"),
            num_train_epochs=settings["epochs"],
            per_device_train_batch_size=found["batch_pairs"],
            learning_rate=found["learning_rate"],
            lr_scheduler_type="cosine",
            warmup_steps=math.ceil(found["warmup_share"] * total),
            completion_only_loss=True,
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=7,
            **options,
        ),
        train_dataset=Dataset.from_list([{"prompt": r["prompt"], "completion": r["answer"]} for r in found["pairs"]]),
        processing_class=tokenizer,
        peft_config=LoraConfig(
            task_type="CAUSAL_LM", r=found["rank"], lora_alpha=found["alpha"], target_modules="all-linear"
        ),
    )
    if [list(row["input_ids"]) for row in trainer.train_dataset] != [row["ids"] for row in found["pairs"]]:
        raise ValueError("TRL reads other tokens than lorag")
    batches: list[int] = []
    ends: list[float] = []
    collate = trainer.data_collator

    def count(rows: Any) -> Any:
        batches.append(sum(len(row["input_ids"]) for row in rows))
        return collate(rows)

    class Clock(TrainerCallback):  # type: ignore[misc, unused-ignore]
        """A callback that records the end of each step."""

        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    trainer.data_collator = count
    trainer.add_callback(Clock())
    trainer.train()
    peak = _peak_mb()
    trainer.save_model(str(folder / settings["adapter"]))
    weights = next(p for p in trainer.model.parameters() if not p.requires_grad)
    return _timed(list(zip(ends, batches, strict=True))) | {
        "peak_mb": peak,
        "backend": f"weights {weights.dtype}, bf16={trainer.args.bf16}, "
        f"gradient_checkpointing={trainer.args.gradient_checkpointing}",
    }


def read_loss(folder: Path, settings: Result) -> Result:
    """Return the mean loss per answer token on the training pairs, in fp32, for any peft adapter."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    found = _read(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(found["base"], dtype=torch.float32)
    if settings["adapter"]:
        model = PeftModel.from_pretrained(model, folder / settings["adapter"])
    model.eval()
    total, labels = 0.0, 0
    with torch.inference_mode():
        for row in found["pairs"]:
            ids, n = torch.tensor([row["ids"]]), row["n_prompt"]
            logits = model(input_ids=ids).logits[0, n - 1 : -1].float()
            total += float(torch.nn.functional.cross_entropy(logits, ids[0, n:], reduction="sum"))
            labels += len(row["ids"]) - n
    return {"loss": total / labels}


def measure_products(folder: Path, settings: Result) -> Result:
    """Return floating-point operations per second of torch.mm on the model's shapes, and per token of training."""
    import torch
    from transformers import AutoConfig

    found = _read(folder)
    c: Any = AutoConfig.from_pretrained(found["base"])
    head_dim = c.hidden_size // c.num_attention_heads
    kv = c.num_key_value_heads * head_dim
    # The shapes of one layer: q and o, k and v, gate and up, down.
    shapes = [(c.hidden_size, c.hidden_size)] * 2 + [(c.hidden_size, kv)] * 2
    shapes += [(c.hidden_size, c.intermediate_size)] * 2 + [(c.intermediate_size, c.hidden_size)]
    per_layer = sum(n_in * n_out for n_in, n_out in shapes)
    tokens = sum(len(row["ids"]) for row in found["pairs"])
    labels = sum(len(row["ids"]) - row["n_prompt"] for row in found["pairs"])
    rows = tokens // found["steps_an_epoch"]
    rates = {}
    for dtype in (torch.bfloat16, torch.float32):
        # The weights of all layers, so that they are read from memory as in training.
        layers = [[(torch.randn(rows, i).to(dtype), torch.randn(i, o).to(dtype)) for i, o in shapes] for _ in range(10)]
        best = math.inf
        for _ in range(5):
            begun = time.perf_counter()
            for layer in layers:
                for x, weight in layer:
                    torch.mm(x, weight)
            best = min(best, time.perf_counter() - begun)
        rates[str(dtype).removeprefix("torch.")] = 2 * rows * per_layer * len(layers) / best
    head = c.vocab_size * c.hidden_size * labels / tokens
    return {"flops": rates, "flops_a_token": 4 * (per_layer * c.num_hidden_layers + head), "rows": rows}


def _timed(steps: list[tuple[float, int]]) -> Result:
    seconds = steps[-1][0] - steps[0][0]
    tokens = sum(n for _, n in steps[1:])
    return {"seconds": seconds, "tokens": tokens, "tokens_a_second": tokens / seconds, "steps": len(steps)}


def _read(folder: Path) -> Result:
    found: Result = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
    return found


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


PARTS: dict[str, Callable[[Path, Result], Result]] = {
    "prepare": prepare,
    "lorag": run_lorag,
    "trl": run_trl,
    "loss": read_loss,
    "products": measure_products,
}


if __name__ == "__main__":
    print(json.dumps(PARTS[sys.argv[1]](Path(sys.argv[2]), json.loads(sys.argv[3]))), flush=True)
