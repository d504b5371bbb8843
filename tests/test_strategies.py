import ast
from pathlib import Path

import pytest

from lorag.strategies import UPDATED, AdapterKind, Strategy, Update

SOURCE = Path(__file__).parents[1] / "src" / "lorag"
NAMES = {name.value for name in Strategy}
ABOUT_NAMED_STRATEGIES = ("strategies.py", "answering/prompts.py", "findings/", "demo.py", "renamed.py")
"""Their home, their prompts, claims about them, a demo that configures two, and the old name of a retriever."""


def _named(path: Path) -> list[str]:
    """Every place where code names one strategy: a string that is its name, or a member of an enum of strategies."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        literal = isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES
        member = (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("Strategy", "AdapterKind")
            and node.attr in Strategy.__members__
        )
        if literal or member:
            found.append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    return found


def test_only_the_home_of_the_strategies_names_one() -> None:
    files = [
        path for path in SOURCE.rglob("*.py") if not str(path.relative_to(SOURCE)).startswith(ABOUT_NAMED_STRATEGIES)
    ]
    assert len(files) > 200
    assert [place for path in files for place in _named(path)] == []


def test_the_search_for_names_finds_some() -> None:
    assert _named(SOURCE / "strategies.py")


@pytest.mark.parametrize(
    ("strategy", "updates"),
    [
        (Strategy.BASE, ()),
        (Strategy.RAG, (Update.REFRESH,)),
        (Strategy.TUNED, (Update.RETRAIN,)),
        (Strategy.HYBRID, (Update.REFRESH, Update.RETRAIN)),
    ],
)
def test_what_brings_a_change_into_the_answers(strategy: Strategy, updates: tuple[Update, ...]) -> None:
    assert strategy.profile.updates == updates
    assert (strategy in UPDATED) == bool(updates)


def test_an_adapter_and_its_strategy_name_each_other() -> None:
    assert {kind.strategy.profile.adapter for kind in AdapterKind} == set(AdapterKind)
