"""Merging is adding the delta, and nothing but the tensors and a few numbers of an adapter counts."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lorag.answering.generator import Message, Role, drain
from lorag.errors import IntegrityFailed
from lorag.integrations.models.generators import open_generator
from lorag.integrations.models.merging import merge_adapter
from lorag.params import Engine, GenerationParams, GenerationPrecision
from lorag.releases.adapter_shelf import CONFIG, WEIGHTS
from tests.tiny import make_tiny_adapter, make_tiny_model

ASKED = [Message(Role.SYSTEM, "Be brief."), Message(Role.USER, "How deep is berth 4?")]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def adapter(model_folder: Path, tmp_path: Path) -> Path:
    return make_tiny_adapter(model_folder, tmp_path / "adapter")


def load(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(str(folder)).eval()


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        result: torch.Tensor = model(input_ids=torch.arange(1, 40)[None]).logits
    return result


def params(folder: Path) -> GenerationParams:
    return GenerationParams(
        model=str(folder),
        engine=Engine.AUTO,
        precision=GenerationPrecision.EXACT,
        endpoint_model="m",
        max_new_tokens=8,
        max_context_tokens=200,
        temperature=0.0,
        seed=1,
    )


@pytest.mark.parametrize("kind", [{}, {"use_dora": True}, {"use_rslora": True}])
def test_a_merged_model_is_the_model_with_its_adapter(model_folder: Path, tmp_path: Path, kind: dict[str, Any]) -> None:
    from peft import PeftModel

    folder = make_tiny_adapter(model_folder, tmp_path / "adapter", **kind)
    unmerged = PeftModel.from_pretrained(load(model_folder), str(folder)).eval()
    merged = merge_adapter(load(model_folder), folder)
    assert torch.allclose(logits(merged), logits(unmerged), atol=1e-3)
    assert not torch.allclose(logits(merged), logits(load(model_folder)), atol=1e-1)
    assert not [name for name, _ in merged.named_parameters() if "lora" in name]


def test_lora_merges_to_base_plus_scaled_product(model_folder: Path, adapter: Path) -> None:
    tensors = load_file(adapter / WEIGHTS)
    name = "model.layers.1.mlp.down_proj"
    a, b = (tensors[f"base_model.model.{name}.lora_{side}.weight"] for side in "AB")
    base = load(model_folder).get_submodule(name).weight
    assert torch.allclose(merge_adapter(load(model_folder), adapter).get_submodule(name).weight, base + 2 * b @ a)


def test_no_name_or_path_in_the_config_is_followed(model_folder: Path, adapter: Path) -> None:
    expected = logits(merge_adapter(load(model_folder), adapter))
    config = json.loads((adapter / CONFIG).read_text())
    config |= {
        "base_model_name_or_path": "https://models.example/evil",
        "auto_mapping": {"base_model_class": "Evil", "parent_library": "evil"},
        "init_lora_weights": "loftq",
        "modules_to_save": ["lm_head"],
        "peft_type": "IA3",
    }
    (adapter / CONFIG).write_text(json.dumps(config))
    assert torch.equal(logits(merge_adapter(load(model_folder), adapter)), expected)


def test_pickled_weights_are_not_read(model_folder: Path, adapter: Path) -> None:
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    with pytest.raises(IntegrityFailed, match="cannot use the adapter"):
        merge_adapter(load(model_folder), adapter)


def damage_weights(adapter: Path) -> None:
    (adapter / WEIGHTS).write_bytes(b"junk")


def drop_a_tensor(adapter: Path) -> None:
    tensors = load_file(adapter / WEIGHTS)
    tensors.popitem()
    save_file(tensors, adapter / WEIGHTS)


def damage_config(adapter: Path) -> None:
    (adapter / CONFIG).write_text("[]")


def name_other_layers(adapter: Path) -> None:
    (adapter / CONFIG).write_text(json.dumps({"r": 4, "target_modules": ["nothing"]}))


@pytest.mark.parametrize("damage", [damage_weights, drop_a_tensor, damage_config, name_other_layers])
def test_a_damaged_adapter_is_one_clear_error(model_folder: Path, adapter: Path, damage: Any) -> None:
    damage(adapter)
    with pytest.raises(IntegrityFailed, match="cannot use the adapter") as caught:
        merge_adapter(load(model_folder), adapter)
    assert "\n" not in caught.value.line()


def test_an_adapter_of_a_larger_model_is_refused(adapter: Path, tmp_path: Path) -> None:
    larger = make_tiny_model(tmp_path / "larger", hidden=64)
    with pytest.raises(IntegrityFailed, match="not those of the model's layers"):
        merge_adapter(load(larger), adapter)


def test_a_generator_answers_with_the_adapter_and_says_so_in_its_name(model_folder: Path, adapter: Path) -> None:
    plain = open_generator(params(model_folder), {})
    tuned = open_generator(params(model_folder), {}, adapter)
    before = drain(plain.stream(ASKED, max_new_tokens=8)).text
    after = drain(tuned.stream(ASKED, max_new_tokens=8)).text
    assert before != after
    assert tuned.generate_batch([ASKED], max_new_tokens=8)[0].text == after
    assert plain.model_sha256 != tuned.model_sha256
