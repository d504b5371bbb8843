"""The project's pages: links that resolve, commands that exist, a README that is short."""

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from lorag.cli import app
from lorag.stages import ADAPTER_STAGES
from lorag.strategies import AdapterKind
from tests.documents import NOT_RUN, ROOT, RUN, SHOWN, commands_of, console_blocks, is_run, markdown_files, why_not_run

README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = [line for page in SHOWN for block in console_blocks(page) for line in block]


def _prose(page: Path) -> str:
    return re.sub(r"^( *)```.*?^ *```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    """The anchors that a forge makes of the headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", markdown_files(), ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_and_anchors_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def test_each_page_is_linked_from_the_readme_or_from_a_page_beside_it() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in markdown_files()
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    }
    assert [page for page in markdown_files() if page.name != "README.md" and page not in linked] == []


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 120


def _commands(command: TyperCommand | TyperGroup, *above: str) -> list[str]:
    if not isinstance(command, TyperGroup):
        return [" ".join(above)]
    return [name for word, each in command.commands.items() for name in _commands(each, *above, word)]


def test_each_command_has_a_row_in_the_readme_and_each_row_is_a_command() -> None:
    rows = [line.split("|")[1] for line in README.splitlines() if line.startswith("| `lorag ")]
    named = [name for cell in rows for name in re.findall(r"`lorag ([a-z -]+)`", cell)]
    assert sorted(named) == sorted(_commands(get_command(app)))


def test_each_result_as_json_has_a_section() -> None:
    sections = re.findall(r"^## `lorag (.*)`$", (ROOT / "docs" / "json.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {*_commands(get_command(app))} - {*sections} == {"mcp", "serve", "watch", "worker"}, (
        "they run until they are stopped"
    )


def test_the_files_and_constants_that_contributing_names_exist() -> None:
    named = re.findall(r"`([^`\n]+)`", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    paths = [name for name in named if re.fullmatch(r"[\w./-]+(/|\.(py|yaml|toml|md))", name)]
    assert len(paths) > 20
    places = (ROOT, ROOT / "src" / "lorag")
    assert [name for name in paths if not any((place / name).exists() for place in places)] == []
    constants = {name for name in named if re.fullmatch(r"_?[A-Z][A-Z_]{3,}", name)}
    code = "".join(
        path.read_text(encoding="utf-8") for place in ("src", "tests") for path in (ROOT / place).rglob("*.py")
    )
    assert {name for name in constants if not re.search(rf"^{name}\b.* = ", code, re.MULTILINE)} == set()


def test_each_line_is_run_or_is_listed_as_not_run() -> None:
    assert [line for line in LINES if not is_run(line) and not why_not_run(line)] == []


@pytest.mark.parametrize("pattern", [*RUN, *NOT_RUN])
def test_no_rule_for_lines_is_left_over(pattern: str) -> None:
    assert any(re.match(rf"{pattern}\b", line) for line in LINES)


def _check_lorag(words: list[str]) -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    context = group.make_context("lorag", list(words))
    name, *rest = words
    command = group.commands[name]
    if isinstance(command, TyperGroup):
        name, *rest = rest
        command = command.commands[name]
    command.make_context(name, rest, parent=context)


def _check_make(words: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert [word for word in words if "=" not in word and word not in targets] == []


def _check_dvc(words: list[str]) -> None:
    from dvc.cli.parser import get_main_parser

    parsed = get_main_parser().parse_args(words)
    pipeline = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    for target in getattr(parsed, "targets", None) or []:
        stage = target.partition("@")[0]
        assert re.search(rf"^  {stage}:$|- {re.escape(target)}:?$", pipeline, re.MULTILINE), (
            f"no stage or output {target}"
        )
    section = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for change in getattr(parsed, "set_param", None) or []:
        for key in change.partition("=")[0].split("."):
            assert key in section, change
            section = section[key]


def _check_stage(words: list[str]) -> None:
    module, stage, adapter = words[words.index("-m") + 1 :]
    assert find_spec(module)
    assert stage in ADAPTER_STAGES
    assert adapter in list(AdapterKind)


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "lorag": _check_lorag,
    "make": _check_make,
    "dvc": _check_dvc,
    "accelerate": _check_stage,
    "torchrun": _check_stage,
    "source": lambda words: None,
}


@pytest.mark.parametrize("line", [line for line in LINES if not is_run(line)])
def test_what_is_not_run_is_right_as_far_as_can_be_told(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for program, *words in commands_of(line):
        CHECKS[program](words)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("lorag retrain --adaptor tuned", Exception),
        ("lorag compear", KeyError),
        ("make demoo", AssertionError),
        ("dvc exp run -S search.topk=8 comparison", AssertionError),
        ("dvc exp run -S search.top_k=8 comparisons", AssertionError),
        ("torchrun -m lorag.stages adapter rag", AssertionError),
    ],
)
def test_a_wrong_line_is_noticed(line: str, wrong: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(wrong):
        for program, *words in commands_of(line):
            CHECKS[program](words)
