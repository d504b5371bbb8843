"""From pairs to an adapter's folder."""

import json
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lorag.answering.generator import Message, Role
from lorag.errors import GateRefused, InputRejected, ParamsError
from lorag.integrations.lora import training as lora_training
from lorag.integrations.models.files import base_model_sha256
from lorag.params import LoraMethod, Precision
from lorag.releases.adapter_shelf import CONFIG, WEIGHTS, adapter_sha256
from lorag.strategies import AdapterKind
from lorag.tuning.pairs import Pair, PairSource, training_set_digest, write_pairs
from lorag.use_cases.asking.unlogged_costs import Trained, read_trained
from lorag.use_cases.retrain.train_adapter import train_adapter
from tests.use_cases.conftest import Place

TUNED = AdapterKind.TUNED
PAIRS = [
    Pair(
        PairSource.QUESTIONS,
        (Message(Role.SYSTEM, "Be brief."), Message(Role.USER, f"What is in store {n}?")),
        f"{n} barrels",
        f"fact {n}",
    )
    for n in range(9)
]


def train(place: Place, *, pairs: list[Pair] = PAIRS, start: Path | None = None, **changes: object) -> Path:
    """The adapter's folder after a training of two short epochs."""
    folder = place.workspace.training_folder(TUNED)
    write_pairs(folder / "train.jsonl", pairs)
    write_pairs(folder / "validation.jsonl", pairs[:3])
    begin = place.workspace.start_folder(TUNED)
    begin.mkdir(parents=True, exist_ok=True)
    sha256 = adapter_sha256(start) if start else None
    (begin / "start.json").write_text(json.dumps({"sha256": sha256}))
    for path in start.iterdir() if start else ():
        (begin / path.name).write_bytes(path.read_bytes())
    update = {"epochs": 2, "rank": 4, "batch_tokens": 128, "precision": Precision.FP32, "threads": 1} | changes
    settings = place.params.training[AdapterKind.TUNED].model_copy(update=update)
    params = place.params.model_copy(update={"training": {**place.params.training, TUNED: settings}})
    train_adapter(TUNED, place.workspace, params)
    return place.workspace.adapter_folder(TUNED)


def test_the_folder_holds_weights_config_and_report(place: Place) -> None:
    folder = train(place)
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, WEIGHTS, "training.json"]
    record = json.loads((folder / "training.json").read_text())
    assert record["base_model_sha256"] == base_model_sha256(str(place.model))
    assert record["training_set_digest"] == training_set_digest(PAIRS)
    assert (record["start"], record["method"], record["steps"]) == (None, "lora", len(record["losses"]))
    assert [set(epoch) for epoch in record["epochs"]] == [
        {"epoch", "loss", "validation_loss", "validation_accuracy"}
    ] * 2
    assert not (place.workspace.state / "training" / "tuned.safetensors").exists()
    assert read_trained(place.workspace, TUNED, 0) == Trained(record["tokens"], None)


def test_twice_is_the_same_folder_to_the_last_byte(place: Place) -> None:
    first = {path.name: path.read_bytes() for path in train(place).iterdir()}
    assert {path.name: path.read_bytes() for path in train(place).iterdir()} == first


def test_a_killed_training_goes_on_to_the_same_folder(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {path.name: path.read_bytes() for path in train(place).iterdir()}
    taken: list[int] = []
    take = lora_training._Run._take

    def killed(run: lora_training._Run, step: list[list[int]]) -> None:
        if len(run.epochs) == 1:
            raise KeyboardInterrupt
        take(run, step)

    def counted(run: lora_training._Run, step: list[list[int]]) -> None:
        taken.append(1)
        take(run, step)

    monkeypatch.setattr(lora_training._Run, "_take", killed)
    with pytest.raises(KeyboardInterrupt):
        train(place)
    assert not place.workspace.adapter_folder(TUNED).exists()
    monkeypatch.setattr(lora_training._Run, "_take", counted)
    begun_s = time.time()
    assert {path.name: path.read_bytes() for path in train(place).iterdir()} == expected
    record = json.loads(expected["training.json"])
    assert len(taken) == record["steps"] // 2
    # Of two epochs the second.
    assert read_trained(place.workspace, TUNED, begun_s) == Trained(record["tokens"] // 2, None)


@pytest.mark.parametrize("before", [False, True])
def test_a_loss_that_is_no_number_leaves_no_adapter(place: Place, before: bool) -> None:
    start = place.make_adapter(1)
    tensors = {name: tensor * float("nan") for name, tensor in load_file(start / WEIGHTS).items()}
    save_file(tensors, start / WEIGHTS, metadata={"format": "pt"})
    if before:
        train(place)
    with pytest.raises(GateRefused, match="the loss became nan"):
        train(place, start=start)
    assert not place.workspace.adapter_folder(TUNED).exists()


def test_training_goes_on_from_an_adapter_and_says_which(place: Place) -> None:
    start = place.make_adapter(1)
    record = json.loads((train(place, start=start) / "training.json").read_text())
    assert record["start"] == adapter_sha256(start)


def test_going_on_has_epochs_and_a_learning_rate_of_its_own(place: Place) -> None:
    start = place.make_adapter(1)
    # The scale of the adapter that it goes on from: another one would change the weights.
    usual = {"epochs": 3, "learning_rate": 0.5, "alpha": 8}
    own = {"continued_epochs": 1, "continued_learning_rate": 1e-9}
    record = json.loads((train(place, start=start, **usual, **own) / "training.json").read_text())
    assert len(record["epochs"]) == 1
    before = load_file(start / WEIGHTS)
    after = load_file(place.workspace.adapter_folder(TUNED) / WEIGHTS)
    assert all(torch.allclose(after[name], before[name], atol=1e-7) for name in before)


def test_an_adapter_of_another_rank_or_method_is_not_continued(place: Place) -> None:
    for change in ({"rank": 8}, {"method": LoraMethod.DORA}):
        with pytest.raises(ParamsError, match="another rank, method or target modules"):
            train(place, start=place.make_adapter(1), **change)


def test_an_adapter_of_another_base_model_is_not_continued(place: Place) -> None:
    start = place.make_adapter(1)
    (start / "training.json").write_text(json.dumps({"base_model_sha256": "another"}))
    with pytest.raises(ParamsError, match="trained on another base model"):
        train(place, start=start)


def test_a_pair_over_the_limit_is_named(place: Place) -> None:
    long = Pair(PairSource.TEXT, (), "barrel " * 2_000, documents={"berths.md": "1"})
    with pytest.raises(InputRejected, match=f"pair {long.id[:12]}, from berths.md"):
        train(place, pairs=[*PAIRS, long])
