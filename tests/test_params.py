"""params.yaml: loads, is complete, and is refused with one clear line."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from lorag.errors import ParamsError
from lorag.params_file import load_params, parse_params

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def test_the_projects_params_load_and_the_template_is_the_same_file() -> None:
    params = load_params(ROOT / "params.yaml")
    assert load_params(ROOT / "src/lorag/workspace_template/params.yaml") == params
    assert len(params.digest) == 64


def test_each_param_that_dvc_watches_exists() -> None:
    yaml = YAML(typ="safe")
    params = yaml.load(TEXT)
    stages = yaml.load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    adapters = params["tuning"]["adapters"]
    watched = {
        name.replace("${item.adapter}", adapter)
        for stage in stages.values()
        for name in stage["params"]
        if isinstance(name, str)
        for adapter in adapters
    }
    assert {"training.tuned", "training.hybrid.start"} <= watched
    for name in watched:
        value = params
        for part in name.split("."):
            assert part in value, name
            value = value[part]


# Rows 52-58, 60 and 62 of the bad-input catalogue.
BAD = {
    "empty file": ("", "params.yaml", "expected sections"),
    "list at top": ("- a\n", "params.yaml", "expected sections"),
    "tab indent": ("knowledge:\n\tsource: x\n", "params.yaml:2:1", "bad YAML"),
    "duplicate key": (TEXT + "\ntracking:\n  experiment: x\n", "params.yaml:", "duplicate key"),
    "typo": (TEXT.replace("max_tokens: 200", "max_token: 200"), "chunking.max_token", "did you mean `max_tokens`"),
    "unknown section": (TEXT + "\nserach: {}\n", "serach", "did you mean `search`"),
    "missing key": (TEXT.replace("  rrf_k: 60\n", ""), "search.rrf_k", "missing key"),
    "zero size": (TEXT.replace("max_tokens: 200", "max_tokens: 0"), "chunking.max_tokens", "got '0'"),
    "overlap too large": (TEXT.replace("overlap_tokens: 0", "overlap_tokens: 200"), "chunking", "must be below"),
    "chunk over the embedder": (TEXT.replace("max_tokens: 200", "max_tokens: 300"), "params.yaml", "must not exceed"),
    "huge": (TEXT.replace("top_k: 5", "top_k: 1000000000"), "search.top_k", "got '1000000000'"),
    "NaN": (TEXT.replace("max_shrink_share: 0.5", "max_shrink_share: .nan"), "gate.max_shrink_share", "finite"),
    "boolean for a word": (TEXT.replace("store: lancedb", "store: true"), "index.store", "boolean"),
    "no, in YAML 1.2 a word": (TEXT.replace("backend: auto", "backend: no"), "embedding.backend", "got 'no'"),
    "secret by name": (TEXT + "\nweaviate_api_key: abc\n", "weaviate_api_key", "secret"),
    "secret by value": (TEXT.replace("experiment: lorag", "experiment: AKIAABCDEFGHIJKLMNOP"), "tracking", "secret"),
    "python object": ("knowledge: !!python/object:os.system {}\n", "params.yaml", "bad YAML"),
    "alias bomb": ("a: &a [x]\nb: [" + ", ".join(["*a"] * 30) + "]\n", "params.yaml", "aliases"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_params_are_refused_in_one_line(case: str) -> None:
    text, place, reason = BAD[case]
    with pytest.raises(ParamsError) as caught:
        parse_params(text, where="params.yaml")
    line = caught.value.line()
    assert place in line
    assert reason in line
    assert "\n" not in line


def test_where_embeddings_are_computed_leaves_the_digest() -> None:
    params, elsewhere = (parse_params(text, where="params.yaml") for text in (TEXT, TEXT.replace("threads  ", "dask")))
    assert params.compute != elsewhere.compute
    assert params.digest == elsewhere.digest


def test_a_number_in_scientific_notation_is_a_number() -> None:
    assert parse_params(TEXT.replace("kwh: 0.30", "kwh: 3e-1"), where="params.yaml").costs.prices.kwh == 0.3


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="no params.yaml"):
        load_params(tmp_path / "params.yaml")
