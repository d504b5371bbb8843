"""Reading of params.yaml: the YAML, the place of a mistake, and the key that was probably meant."""

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from lorag.errors import ParamsError
from lorag.params import Params
from lorag.renamed import MOVED_KEYS, RENAMED_VALUES

MAX_BYTES = 100_000
MAX_ALIASES = 20

_SECRET_KEY = re.compile(r"(?i)(password|passwd|secret_|_secret|api_?key|access_?key|private_?key|_token$|^token$)")
_SECRET_VALUE = re.compile(
    r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|\bsk-[A-Za-z0-9_-]{20,}|ghp_[A-Za-z0-9]{30,}"
)


def load_params(path: Path) -> Params:
    """Read and check params.yaml; raise ParamsError with the file, the place and what to do.

    The folder of a model is relative to the folder of the file, not to that of the process.
    """
    params = parse_params(read_params_text(path), where=path.name)
    root = path.absolute().parent
    changes = {
        "embedding": {"model": place_model(params.embedding.model, root)},
        "generation": {"model": place_model(params.generation.model, root)},
        "search": {"reranker": params.search.reranker and place_model(params.search.reranker, root)},
    }
    return params.model_copy(
        update={name: getattr(params, name).model_copy(update=values) for name, values in changes.items()}
    )


def place_model(reference: str, root: Path) -> str:
    """Return the reference to a model; a relative folder is taken as one in `root`."""
    return reference if reference.startswith(("package:", "hub:", "~")) else str(root / reference)


# The service looks at its params before each question and once a second, and parsing them takes a tenth of a second.
@lru_cache(maxsize=4)
def parse_params(text: str, *, where: str) -> Params:
    """Parse and check the YAML 1.2 text of params; `where` names its origin in messages."""
    tree = parse_yaml(text, where)
    if not isinstance(tree, dict):
        raise ParamsError(
            f"expected sections with values, got {'nothing' if tree is None else type(tree).__name__}",
            where=where,
            do="start with `knowledge:` and its keys, as in the params.yaml that `lorag init` writes",
        )
    try:
        _refuse_secrets(tree, where)
    except RecursionError:
        raise ParamsError("a value that contains itself", where=where, do="write it out, without an alias") from None
    _refuse_old_names(tree, where)
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        raise _explain(error, where) from None


def read_params_text(path: Path) -> str:
    """Return the text of params.yaml; raise ParamsError for a file that cannot be params."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ParamsError(f"params larger than {MAX_BYTES} bytes", where=path.name, do="keep settings only")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ParamsError(
            "no params.yaml", where=str(path), do="run this inside a workspace, or make one with `lorag init`"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ParamsError(
            f"cannot read params: {error}", where=str(path), do="make it a readable UTF-8 file"
        ) from error


def parse_yaml(text: str, where: str) -> Any:
    """Return the values of a YAML 1.2 text; raise ParamsError with the place of a mistake."""
    # Counted before the tree is built: the expansion of a few nested aliases fills the memory.
    if len(re.findall(r"(?m)(?:^|[\s\[,:-])\*[\w-]+", text)) > MAX_ALIASES:
        raise ParamsError(f"more than {MAX_ALIASES} YAML aliases", where=where, do="write the values out")
    yaml = YAML(typ="safe", pure=True)
    try:
        return yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        raise ParamsError(f"bad YAML: {error.problem or error.context}", where=place, do="fix that line") from None
    # The library fails in these ways over a tag whose value it cannot convert, such as `!!int ''`.
    except (YAMLError, RecursionError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ParamsError(f"bad YAML: {error}", where=where, do="fix the file") from None


def flat_params(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of a tree of settings with its path, such as `search.top_k`."""
    if not isinstance(tree, Mapping):
        yield path, tree
        return
    for key, value in tree.items():
        yield from flat_params(value, f"{path}.{key}" if path else str(key))


def _refuse_secrets(tree: Any, where: str, path: str = "") -> None:
    if isinstance(tree, dict):
        for key, value in tree.items():
            place = f"{path}.{key}" if path else str(key)
            if isinstance(value, str) and value and (_SECRET_KEY.search(str(key)) or _SECRET_VALUE.search(value)):
                raise ParamsError(
                    "a secret does not belong in params", where=f"{where}: {place}", do="put it in the environment"
                )
            _refuse_secrets(value, where, place)
    elif isinstance(tree, list):
        for item in tree:
            _refuse_secrets(item, where, path)


def _refuse_old_names(tree: Any, where: str) -> None:
    for path, places in MOVED_KEYS.items():
        if value_at(tree, path) is not None:
            raise ParamsError(
                f"`{path[-1]}` is {' and '.join('.'.join(place) for place in places)} now",
                where=f"{where}: {'.'.join(path)}",
                do="run `lorag upgrade`, which moves its value",
            )
    for path, names in RENAMED_VALUES.items():
        value = value_at(tree, path)
        if isinstance(value, str) and value in names:
            raise ParamsError(
                f"`{value}` is called `{names[value]}` now",
                where=f"{where}: {'.'.join(path)}",
                do=f"write `{names[value]}`, or run `lorag upgrade`",
            )


def value_at(tree: Any, path: Sequence[str]) -> Any:
    """Return the value at a path of keys; None if there is none."""
    for part in path:
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _explain(error: ValidationError, where: str) -> ParamsError:
    # A misspelt key gives two errors, unknown and missing: the first one says what to do.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    parts = [_shown(part) for part in first["loc"]]
    place = ".".join(parts)
    given = first.get("input")
    what, do = f"{first['msg'].removeprefix('Value error, ')}", "fix the value"
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(first["loc"][-1]), _known_keys(first["loc"][:-1]), n=1, cutoff=0.5)
        what = f"unknown key `{parts[-1]}`"
        do = f"did you mean `{close[0]}`?" if close else "remove it, or run `lorag upgrade`"
    elif first["type"] == "missing":
        what, do = f"missing key `{parts[-1]}`", "add it as `lorag init` writes it, or run `lorag upgrade`"
    elif isinstance(given, bool):
        what, do = (
            f"got the boolean {given}: {what}",
            "write a number, or put the word in quotes if it was meant as text",
        )
    elif not isinstance(given, dict | list) and (not isinstance(given, float) or math.isfinite(given)):
        what = f"{what}, got {_shown(given)!r}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return ParamsError(what + more, where=f"{where}: {place}" if place else where, do=do)


def _shown(value: Any) -> str:
    return str(value)[:80]


def _known_keys(path: tuple[int | str, ...]) -> list[str]:
    model: Any = Params
    for part in path:
        # The sections of a mapping by adapter are one level below it.
        model = get_args(model)[1] if get_origin(model) is dict else model.model_fields[part].annotation
    return list(model.model_fields)
