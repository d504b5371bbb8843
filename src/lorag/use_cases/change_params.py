"""Changes of values in a params.yaml that stays readable for people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from lorag.params_file import load_params


def change_params(params_file: Path, changes: Mapping[str, Any]) -> None:
    """Write values into params.yaml and keep its comments; raise ParamsError for a value that is not allowed."""
    yaml = keeping_comments()
    tree = yaml.load(params_file.read_text(encoding="utf-8"))
    _merge(tree, changes)
    with params_file.open("w", encoding="utf-8") as file:
        yaml.dump(tree, file)
    load_params(params_file)


def keeping_comments() -> YAML:
    """Return a reader and writer of YAML that keeps comments and layout."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 200
    yaml.representer.add_representer(type(None), _represent_none)
    return yaml


def _represent_none(representer: Any, _: None) -> Any:
    # Without this, nothing would be written after the name.
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _merge(tree: Any, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if isinstance(value, Mapping):
            _merge(tree[name], value)
        elif name not in tree or tree[name] != value:
            # A value that is already right stays as it was written.
            tree[name] = value
