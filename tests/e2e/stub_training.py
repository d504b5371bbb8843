"""Stands in for two stages: a random adapter that depends on its inputs as a trained one does, and a made-up report."""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from lorag.adapters.model_files import base_model_sha256
from lorag.digests import digest_of
from lorag.params import load_params
from tests.tiny import make_tiny_adapter

stage, kind = sys.argv[1:]
params = load_params(Path("params.yaml"))
training_set = json.loads(Path(f"artifacts/training/{kind}/lineage.json").read_text())["training_set_digest"]
folder = Path(f"artifacts/adapters/{kind}")
if stage == "adapter":
    if Path("slow").exists():
        time.sleep(60)
    start = json.loads(Path(f"artifacts/start/{kind}/start.json").read_text())["sha256"]
    seed = int(digest_of([training_set, start, params.training.tuned.seed])[:8], 16)
    make_tiny_adapter(Path(params.generation.model), folder, seed=seed)
    report = {
        "losses": [2.0, 1.0, 0.5],
        "steps": 3,
        "tokens": 1_234,
        "epochs": [{"epoch": 1, "loss": 1.2, "validation_loss": 0.7, "validation_accuracy": 0.5}],
        "base_model_sha256": base_model_sha256(params.generation.model),
        "training_set_digest": training_set,
        "start": start,
    }
    (folder / "training.json").write_text(json.dumps(report))
else:
    Path("reports").mkdir(exist_ok=True)
    Path(f"reports/adapter_{kind}.json").write_text(json.dumps({"new_facts": 0.75, "controls": 0.5}))
