"""The tables of docs/reliability.md are whole, and every test that they name exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(?P<file>[\w/]+\.py)(?:::(?P<group>[A-Z]\w+))?::(?P<name>test_\w+)(?:\[(?P<case>[^\]`]+)\])?`")


def rows() -> dict[str, list[str]]:
    """The cells of each row by its number."""
    found = {}
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) >= 4 and re.fullmatch(r"(S|P|B)\d+", cells[0]):
            assert cells[0] not in found, f"{cells[0]} is there twice"
            found[cells[0]] = cells
    return found


ROWS = rows()


@pytest.mark.parametrize(("letter", "count"), [("B", 72), ("S", 23), ("P", 30)])
def test_no_number_is_missing(letter: str, count: int) -> None:
    assert [name for name in ROWS if name[0] == letter] == [f"{letter}{number}" for number in range(1, count + 1)]


@pytest.mark.parametrize("number", ROWS)
def test_each_row_names_tests_that_exist_or_says_that_it_is_not_reached(number: str) -> None:
    last = ROWS[number][-1]
    named = list(NAMED.finditer(last))
    assert named or "not reached" in " ".join(ROWS[number]).lower(), "neither a test nor the word that there is none"
    assert last.count("::test_") == len(named), "a test that is written in another way"
    for test in named:
        functions, texts = parts_of(TESTS / test["file"])
        assert (test["group"], test["name"]) in functions, test[0]
        assert test["case"] is None or any(text.startswith(test["case"]) for text in texts), test[0]


@cache
def parts_of(file: Path) -> tuple[set[tuple[str | None, str]], set[str]]:
    """The functions of a file, each with its class, and the texts in it, which may be the names of cases."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = {(None, node.name) for node in tree.body if isinstance(node, ast.FunctionDef)}
    groups = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = {(group.name, node.name) for group in groups for node in group.body if isinstance(node, ast.FunctionDef)}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return functions | methods, {text for text in texts if isinstance(text, str)}
