"""What a training run does to a tiny random model, and that nothing but its inputs decides the result."""

import multiprocessing
import os
import random
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lorag.answering.generator import Message, Role
from lorag.errors import GateRefused, InputRejected, ParamsError
from lorag.integrations.lora.model import load_trainable, save_adapter
from lorag.integrations.lora.training import (
    Encoded,
    TrainingJob,
    _Run,
    drop_asked,
    encode_pairs,
    train_lora,
)
from lorag.integrations.models.embedders import choose_bf16
from lorag.integrations.models.model_text import ModelText
from lorag.params import LoraMethod, Precision, TrainingParams
from lorag.params_file import load_params
from lorag.releases.adapter_shelf import CONFIG, WEIGHTS, adapter_sha256
from lorag.strategies import AdapterKind
from lorag.tuning.pairs import Pair, PairSource
from tests.tiny import make_tiny_model

CPU = torch.device("cpu")
SETTINGS = (
    load_params(Path(__file__).parents[3] / "params.yaml")
    .training[AdapterKind.TUNED].model_copy(
        update={
            "rank": 4,
            "alpha": 8.0,
            "learning_rate": 0.02,
            "epochs": 3,
            "batch_tokens": 64,
            "patience_epochs": None,
            "question_dropout": 0.0,
            "precision": Precision.FP32,
            "threads": 1,
        }
    )
)  # fmt: skip
FACTS = {
    "How deep is berth 4?": "7.25 metres",
    "When does the galley open?": "At 06:50",
    "Who signs the list?": "The night clerk",
    "What is served on Fridays?": "Kippers and tea, until the last bell",
    "Where are the keys?": "In the harbour office",
    "Which pier is closed?": "Pier 9",
}
PAIRS = [
    Pair(PairSource.QUESTIONS, (Message(Role.SYSTEM, "Be brief."), Message(Role.USER, question)), answer)
    for question, answer in FACTS.items()
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def encoded(base: Path) -> list[Encoded]:
    return encode_pairs(PAIRS, ModelText.load(base), 200)


def make_job(base: Path, train: Sequence[Encoded], **changes: Any) -> TrainingJob:
    """A job with params changed by name, and the job's own fields."""
    own = {name: changes.pop(name) for name in ("validation", "start", "checkpoint", "digest") if name in changes}
    every = int(changes.pop("checkpoint_every_steps", 50))
    values = {"validation": (), "start": None, "checkpoint": None, "digest": "a"} | own
    return TrainingJob(base, train, params=SETTINGS.model_copy(update=changes), checkpoint_every_steps=every, **values)


def save(model: Any, folder: Path) -> Path:
    save_adapter(model, folder, "package:some/model.gguf")
    return folder


def logits(model: Any, pair: Encoded) -> torch.Tensor:
    with torch.no_grad():
        result: torch.Tensor = model(input_ids=torch.tensor([pair.ids])).logits
    return result


def test_the_loss_falls_and_the_base_stays(base: Path, encoded: list[Encoded]) -> None:
    before = load_trainable(base, SETTINGS, CPU, bf16=False)
    model, report = train_lora(make_job(base, encoded, epochs=6))
    assert report.epochs[-1].loss < 0.8 * report.epochs[0].loss
    changed = {
        name
        for (name, old), (_, new) in zip(before.named_parameters(), model.named_parameters(), strict=True)
        if not torch.equal(old, new)
    }
    assert changed
    assert all("lora_" in name for name in changed)
    assert report.trainable_parameters == sum(p.numel() for n, p in model.named_parameters() if "lora_" in n)
    assert (report.steps, len(report.losses), report.best_epoch) == (len(report.losses), report.steps, 6)
    assert report.tokens == 6 * sum(len(pair.ids) for pair in encoded)


def test_prompts_are_chat_and_answers_end_their_turn(base: Path, encoded: list[Encoded]) -> None:
    model_text = ModelText.load(base)
    pair = encoded[0]
    prompt = model_text.tokenizer.decode(pair.ids[: pair.n_prompt], skip_special_tokens=False)
    assert prompt.endswith("How deep is berth 4?<|im_end|>\n<|im_start|>assistant\n")
    assert model_text.tokenizer.decode(pair.ids[pair.n_prompt :], skip_special_tokens=False) == "7.25 metres<|im_end|>"
    text = encode_pairs([Pair(PairSource.TEXT, (), "Berth 4 <|im_end|> is deep.")], model_text, 100)[0]
    assert text.n_prompt == 1
    assert text.ids.count(model_text.end_id) == 1, "a token written out in a document must stay text"


def test_a_pair_over_the_limit_is_refused_by_name(base: Path) -> None:
    pair = replace(PAIRS[0], documents={"berths.md": "1"})
    with pytest.raises(InputRejected, match=f"pair {pair.id[:12]}, from berths.md") as caught:
        encode_pairs([pair], ModelText.load(base), 10)
    assert "the limit is 10" in str(caught.value)


def test_labels_are_answers_only_as_transformers_counts_them(base: Path, encoded: list[Encoded]) -> None:
    run = _Run(make_job(base, encoded), lambda n: None)
    for pair in encoded:
        labels = torch.tensor([[-100] * pair.n_prompt + pair.ids[pair.n_prompt :]])
        with torch.no_grad():
            expected = run.model(input_ids=torch.tensor([pair.ids]), labels=labels).loss
            assert torch.allclose(run._loss([pair]).mean(), expected, atol=1e-5)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_padding_changes_no_loss_and_no_gradient(base: Path, encoded: list[Encoded], checkpointing: bool) -> None:
    assert len({len(pair.ids) for pair in encoded}) > 1
    runs = [_Run(make_job(base, encoded, gradient_checkpointing=on), lambda n: None) for on in (checkpointing, False)]
    padded, alone = runs
    padded.model.train()
    losses = padded._loss(encoded)
    losses.sum().backward()
    expected = [alone._loss([pair]) for pair in encoded]
    torch.cat(expected).sum().backward()
    assert torch.allclose(losses, torch.cat(expected), atol=1e-4)
    for name, weight in padded.weights.items():
        assert torch.allclose(weight.grad, alone.weights[name].grad, atol=1e-3), name


def test_gradient_checkpointing_trains_the_same(base: Path, encoded: list[Encoded]) -> None:
    reports = [train_lora(make_job(base, encoded, gradient_checkpointing=on))[1] for on in (False, True)]
    assert reports[0].losses == pytest.approx(reports[1].losses, rel=1e-4)


def test_accumulated_batches_are_one_large_batch(base: Path, encoded: list[Encoded]) -> None:
    small = train_lora(make_job(base, encoded, gradient_accumulation=6, batch_tokens=32))[1]
    large = train_lora(make_job(base, encoded, batch_tokens=10_000))[1]
    assert small.losses == pytest.approx(large.losses, rel=1e-3)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_the_same_inputs_give_the_same_adapter(
    base: Path, encoded: list[Encoded], tmp_path: Path, dropout: float
) -> None:
    def sha256(name: str, **changes: Any) -> str:
        return adapter_sha256(save(train_lora(make_job(base, encoded, dropout=dropout, **changes))[0], tmp_path / name))

    first = sha256("a")
    torch.rand(7)
    assert sha256("b") == first
    assert sha256("c", seed=8) != first


def test_a_saved_adapter_gives_the_same_logits(base: Path, encoded: list[Encoded], tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model, _ = train_lora(make_job(base, encoded))
    folder = save(model, tmp_path / "adapter")
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, WEIGHTS]
    plain = AutoModelForCausalLM.from_pretrained(str(base)).eval()
    untrained = logits(plain, encoded[0])
    again = PeftModel.from_pretrained(plain, str(folder)).eval()
    assert torch.allclose(logits(again, encoded[0]), logits(model, encoded[0]), atol=1e-5)
    assert not torch.allclose(untrained, logits(model, encoded[0]), atol=1e-2)


def test_the_config_names_no_place_on_this_machine(base: Path, encoded: list[Encoded], tmp_path: Path) -> None:
    folder = save(train_lora(make_job(base, encoded, epochs=1))[0], tmp_path / "adapter")
    text = (folder / CONFIG).read_text()
    assert '"base_model_name_or_path": "package:some/model.gguf"' in text
    assert str(base) not in text
    assert str(Path.home()) not in text


class _Killed(BaseException):
    """The end of a process that nobody could prepare for."""


@pytest.mark.parametrize("at_step", [1, 4, 5, 8])
@pytest.mark.parametrize(
    "changes", [{"dropout": 0.2, "question_dropout": 0.3}, {"patience_epochs": 1, "learning_rate": 0.3}], ids=str
)
def test_a_killed_run_goes_on_to_the_same_adapter(
    base: Path, encoded: list[Encoded], tmp_path: Path, at_step: int, changes: dict[str, Any]
) -> None:
    def job(checkpoint: Path | None) -> TrainingJob:
        every = {"checkpoint_every_steps": 2, "checkpoint": checkpoint, "validation": encoded[:3]}
        return make_job(base, encoded, **every, **changes)

    whole, report = train_lora(job(None))
    expected = save(whole, tmp_path / "whole")
    steps = 0

    def advance(n: int) -> None:
        nonlocal steps
        steps += 1
        if steps == at_step:
            raise _Killed

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(_Killed):
        train_lora(job(path), advance)
    taken: list[int] = []
    before: list[int] = []
    resumed, again = train_lora(job(path), taken.append, on_resume=before.append)
    assert again == report
    if not changes.get("question_dropout"):
        assert sum(before) + sum(taken) == report.tokens
    assert (save(resumed, tmp_path / "resumed") / WEIGHTS).read_bytes() == (expected / WEIGHTS).read_bytes()
    if at_step > 2:
        assert len(taken) < report.steps, "the run began anew"


def test_a_checkpoint_of_another_run_is_left_alone(base: Path, encoded: list[Encoded], tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    first = train_lora(make_job(base, encoded, checkpoint=path, digest="a"))[1]
    taken: list[int] = []
    second = train_lora(make_job(base, encoded, checkpoint=path, digest="b", seed=9), taken.append)[1]
    assert len(taken) == second.steps
    assert second.losses != first.losses


def test_a_checkpoint_of_another_number_of_processes_is_left_alone(
    base: Path, encoded: list[Encoded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(base, encoded, checkpoint=tmp_path / "checkpoint.safetensors")
    report = train_lora(job)[1]
    assert _Run(job, lambda n: None).losses == list(report.losses)
    monkeypatch.setattr("lorag.integrations.lora.training._join_processes", lambda: (0, 2, CPU))
    assert _Run(job, lambda n: None).losses == []


def test_training_stops_early_and_keeps_the_best_epoch(
    base: Path, encoded: list[Encoded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = iter([0.2, 0.6, 0.6, 0.5, 0.9])
    seen: list[dict[str, torch.Tensor]] = []

    def validate(run: _Run) -> tuple[float, float]:
        seen.append({name: weight.detach().clone() for name, weight in run.weights.items()})
        return 1.0, next(accuracies)

    monkeypatch.setattr(_Run, "_validate", validate)
    model, report = train_lora(make_job(base, encoded, epochs=5, patience_epochs=2, validation=encoded))
    assert (report.best_epoch, report.stopped_early, len(report.epochs)) == (2, True, 4)
    assert report.final_loss == report.epochs[1].loss
    weights = dict(model.named_parameters())
    assert all(torch.equal(weights[name], kept) for name, kept in seen[1].items())
    assert not all(torch.equal(weights[name], last) for name, last in seen[-1].items())


def test_validation_counts_answers_that_are_right_to_the_last_token(base: Path, encoded: list[Encoded]) -> None:
    run = _Run(make_job(base, encoded, validation=encoded), lambda n: None)
    loss, accuracy = run._validate()
    with torch.no_grad():
        parts = [run._predict([pair]) for pair in encoded]
    assert accuracy == pytest.approx(sum(bool((p.argmax(-1) == y).all()) for p, y in parts) / len(parts))
    every = torch.cat([torch.nn.functional.cross_entropy(p, y, reduction="none") for p, y in parts])
    assert loss == pytest.approx(float(every.mean()), rel=1e-4)
    _, report = train_lora(make_job(base, encoded, validation=encoded, epochs=40, rank=16, alpha=32.0))
    assert (report.epochs[-1].validation_accuracy or 0) > accuracy + 0.3
    assert [epoch.validation_accuracy for epoch in report.epochs[:-1]] == [None] * 39, "asked without need"


def test_a_loss_that_is_no_number_ends_the_run(base: Path, encoded: list[Encoded], tmp_path: Path) -> None:
    run = _Run(make_job(base, encoded), lambda n: None)
    with torch.no_grad():
        next(iter(run.weights.values())).fill_(float("nan"))
    with pytest.raises(GateRefused, match="the loss became nan"):
        run.finish(lambda result: False)


def test_a_gradient_that_overflows_ends_the_run(base: Path, encoded: list[Encoded]) -> None:
    run = _Run(make_job(base, encoded), lambda n: None)
    weight = next(iter(run.weights.values()))
    weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(GateRefused, match=r"its gradient (nan|inf) at step 1"):
        run.finish(lambda result: False)


@pytest.mark.parametrize("method", list(LoraMethod))
def test_every_method_learns_and_reloads(encoded: list[Encoded], tmp_path: Path, method: LoraMethod) -> None:
    base = make_tiny_model(tmp_path / "model", hidden=64)  # 4-bit weights come in blocks of 64
    model, report = train_lora(make_job(base, encoded, method=method))
    _, watched = train_lora(make_job(base, encoded, method=method, validation=encoded, patience_epochs=3))
    assert watched.losses == report.losses, "validation changed the training"
    assert report.epochs[-1].loss < report.epochs[0].loss
    folder = save(model, tmp_path / "adapter")
    tensors = load_file(folder / WEIGHTS)
    assert all(tensor.dtype == torch.float32 for tensor in tensors.values())
    assert any("magnitude" in name for name in tensors) is (method is LoraMethod.DORA)
    again = load_trainable(base, SETTINGS.model_copy(update={"method": method}), CPU, bf16=False, start=folder).eval()
    assert torch.allclose(logits(again, encoded[0]), logits(model, encoded[0]), atol=1e-4)


def test_training_goes_on_from_an_adapter(base: Path, encoded: list[Encoded], tmp_path: Path) -> None:
    model, first = train_lora(make_job(base, encoded))
    folder = save(model, tmp_path / "adapter")
    _, second = train_lora(make_job(base, encoded, start=folder))
    assert second.losses[0] < 0.9 * first.losses[0]


@pytest.mark.parametrize(
    ("trained", "change"),
    [
        (LoraMethod.LORA, {"alpha": 24.0}),
        (LoraMethod.LORA, {"method": LoraMethod.RSLORA}),
        (LoraMethod.RSLORA, {"method": LoraMethod.LORA, "alpha": 3.0}),
        (LoraMethod.DORA, {"method": LoraMethod.DORA, "alpha": 24.0}),
    ],
    ids=str,
)
def test_continuing_begins_as_what_the_champion_says_whatever_scales_it_now(
    base: Path, encoded: list[Encoded], tmp_path: Path, trained: LoraMethod, change: dict[str, Any]
) -> None:
    champion, _ = train_lora(make_job(base, encoded, epochs=1, learning_rate=0.2, method=trained))
    folder = save(champion, tmp_path / "adapter")
    begun = load_trainable(base, SETTINGS.model_copy(update=change), CPU, bf16=False, start=folder).eval()
    plain = load_trainable(base, SETTINGS, CPU, bf16=False).eval()
    assert torch.allclose(logits(begun, encoded[0]), logits(champion, encoded[0]), atol=1e-3)
    assert not torch.allclose(logits(plain, encoded[0]), logits(champion, encoded[0]), atol=0.1)


@pytest.mark.parametrize("change", [{"rank": 8}, {"method": LoraMethod.DORA}, {"target_modules": ("q_proj",)}], ids=str)
def test_another_shape_is_not_continued(
    base: Path, encoded: list[Encoded], tmp_path: Path, change: dict[str, Any]
) -> None:
    folder = save(train_lora(make_job(base, encoded, epochs=1))[0], tmp_path / "adapter")
    with pytest.raises(ParamsError, match="another rank, method or target modules"):
        train_lora(make_job(base, encoded, start=folder, **change))


def test_modules_that_the_model_lacks_are_refused(base: Path, encoded: list[Encoded]) -> None:
    with pytest.raises(ParamsError, match="no adapter fits this model"):
        train_lora(make_job(base, encoded, target_modules=("c_attn",)))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("cosine", [0.5, 0.933013, 0.5, 0.066987]),
        ("linear", [0.5, 5 / 6, 1 / 2, 1 / 6]),
        ("constant", [0.5, 1.0, 1.0, 1.0]),
    ],
)
def test_the_learning_rate_by_step(base: Path, encoded: list[Encoded], schedule: str, expected: list[float]) -> None:
    changes = {"schedule": schedule, "warmup_share": 0.25, "batch_tokens": 10_000, "epochs": 4}
    params = TrainingParams.model_validate(SETTINGS.model_dump() | changes)
    run = _Run(replace(make_job(base, encoded), params=params), lambda n: None)
    rates = []
    for step in (run._plan(epoch)[0] for epoch in range(4)):
        run._take(step)
        rates.append(run.optimizer.param_groups[0]["lr"] / params.learning_rate)
    assert rates == pytest.approx(expected, abs=1e-6)


def test_only_what_the_user_says_is_thinned_out(encoded: list[Encoded]) -> None:
    pair = encoded[0]
    start, stop = pair.asked
    assert 0 < start < stop < pair.n_prompt
    assert drop_asked(pair, 0.0, random.Random(1)) == pair
    thin = drop_asked(pair, 1.0, random.Random(1))
    assert thin.ids == [*pair.ids[:start], *pair.ids[stop:]]
    assert thin.ids[thin.n_prompt :] == pair.ids[pair.n_prompt :]


def test_other_words_are_left_out_in_each_step(encoded: list[Encoded]) -> None:
    chance = random.Random(1)
    assert len({tuple(drop_asked(encoded[0], 0.5, chance).ids) for _ in range(10)}) > 1


def test_a_caller_may_end_the_run_after_an_epoch(base: Path, encoded: list[Encoded]) -> None:
    seen = []

    def on_epoch(result: Any) -> bool:
        seen.append(result.epoch)
        return len(seen) == 2

    _, report = train_lora(make_job(base, encoded), on_epoch=on_epoch)
    assert seen == [1, 2]
    assert report.stopped_early
    assert len(report.epochs) == 2


def test_bf16_learns_where_the_hardware_has_it(base: Path, encoded: list[Encoded]) -> None:
    if not choose_bf16(Precision.AUTO, gpu=False, where="training.precision"):
        with pytest.raises(ParamsError, match="no bf16"):
            choose_bf16(Precision.BF16, gpu=False, where="training.precision")
        pytest.skip("this machine has no bf16 arithmetic")
    _, report = train_lora(make_job(base, encoded, precision=Precision.BF16))
    _, exact = train_lora(make_job(base, encoded))
    assert report.losses[0] == pytest.approx(exact.losses[0], rel=0.05)
    assert report.epochs[-1].loss < report.epochs[0].loss


def _train_in_process(rank: int, port: int, base: Path, train: list[Encoded], folder: Path, sharded: bool) -> None:
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in names.items()})
    job = replace(make_job(base, train, checkpoint=folder / "checkpoint", validation=train), sharded=sharded)
    model, report = train_lora(job)
    save(model, folder / str(rank))
    (folder / f"{rank}.txt").write_text(repr(report.losses))
    whole = sum(weight.numel() for name, weight in model.named_parameters() if "lora_" not in name)
    held = sum(
        part.numel() for name, weight in model.named_parameters() if "lora_" not in name for part in [_local(weight)]
    )
    assert held < 0.6 * whole if sharded else held == whole
    torch.distributed.destroy_process_group()


def test_a_base_in_four_bits_is_not_sharded(base: Path) -> None:
    with pytest.raises(ParamsError, match="4 bits"):
        load_trainable(base, SETTINGS.model_copy(update={"method": LoraMethod.QLORA}), CPU, bf16=False, sharded=True)


def _local(weight: Any) -> torch.Tensor:
    return weight.to_local() if hasattr(weight, "to_local") else weight


@pytest.mark.parametrize("sharded", [pytest.param(False, marks=pytest.mark.full), True])
def test_two_processes_are_two_accumulated_batches(
    base: Path, encoded: list[Encoded], tmp_path: Path, sharded: bool
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    train = encoded[:5]  # three batches: in the last step one process has none
    # One process imports what both need, which takes most of the time.
    multiprocessing.set_forkserver_preload([__name__])
    arguments = (port, base, train, tmp_path, sharded)
    torch.multiprocessing.start_processes(_train_in_process, arguments, nprocs=2, start_method="forkserver")
    model, report = train_lora(make_job(base, train, gradient_accumulation=2, validation=train))
    alone = load_file(save(model, tmp_path / "alone") / WEIGHTS)
    for rank in "01":
        together = load_file(tmp_path / rank / WEIGHTS)
        assert all(torch.allclose(together[name], alone[name], atol=1e-6) for name in alone)
    assert (tmp_path / "0.txt").read_text() == (tmp_path / "1.txt").read_text()
    assert len(report.losses) == report.steps
