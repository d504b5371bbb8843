"""YAML (`---`) and TOML (`+++`) front matter, split from the body."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from lorag.knowledge.normalise import clean_text

if TYPE_CHECKING:
    from ruamel.yaml import YAML

_FENCED = re.compile(
    r"\A\s*(?P<fence>---|\+\+\+)[ \t]*\n(?P<inner>.*?)(?:\n|(?<=\n))(?P=fence)[ \t]*(?:\n|\Z)", re.DOTALL
)
_ALIAS = re.compile(r"(?m)(?:^|[\s\[,:-])\*[\w-]+")
_MAX_ALIASES = 20
_MAX_CHARACTERS = 64_000
_MAX_VALUE = 2_000


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The text after the front matter, its title, its other values as text, and the problem with them if any."""

    body: str
    title: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


class WrittenFloat(float):
    """A number that keeps how it was written."""

    def __new__(cls, text: str) -> Self:
        """Return the number that `text` states."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str

    def __str__(self) -> str:
        return self.text


def split_front_matter(text: str) -> FrontMatter:
    """Split the front matter, if any, from `text`; broken front matter is left out and described in `problem`."""
    match = _FENCED.match(text)
    if not match:
        return FrontMatter(text)
    inner, body = match["inner"], text[match.end() :]
    if len(inner) > _MAX_CHARACTERS:
        return FrontMatter(body, problem=f"front matter longer than {_MAX_CHARACTERS} characters")
    tree, problem = _load_toml(inner) if match["fence"] == "+++" else _load_yaml(inner)
    if problem:
        return FrontMatter(body, problem=problem)
    if tree is None:
        return FrontMatter(body)
    if not isinstance(tree, dict):
        return FrontMatter(text)  # two thematic breaks with prose between them
    title = tree.get("title")
    return FrontMatter(body, scalar_text(title) or "", metadata_of(tree))


def metadata_of(values: Mapping[Any, Any]) -> dict[str, str]:
    """Return scalars, and lists of them joined by `, `, as text; without tables, empty values and `title`."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if key == "title":
            continue
        items = value if isinstance(value, list) else [value]
        texts = [scalar_text(item) for item in items]
        if texts and all(text is not None for text in texts):
            joined = ", ".join(text for text in texts if text)
            if joined:
                found[clean_text(str(key)).text] = joined[:_MAX_VALUE]
    return found


def scalar_text(value: object) -> str | None:
    """Return a scalar as text, `true` and `false` for booleans, dates as ISO; None for anything else.

    Numbers are as they were written if the reader kept that: 1.10 is not 1.1.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return clean_text(str(value)).text.strip()
    isoformat = getattr(value, "isoformat", None)
    return str(isoformat()) if callable(isoformat) else None


def _load_toml(inner: str) -> tuple[Any, str]:
    try:
        return tomllib.loads("\n" + inner, parse_float=WrittenFloat), ""
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        return None, f"bad TOML front matter: {error}"


def _load_yaml(inner: str) -> tuple[Any, str]:
    # Counted before anything is built: a few aliases of aliases expand to gigabytes.
    if (count := len(_ALIAS.findall(inner))) > _MAX_ALIASES:
        return None, f"front matter with {count} YAML aliases, at most {_MAX_ALIASES} are read"
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        tree = _yaml().load(inner)
        node = _yaml().compose(inner) if isinstance(tree, dict) else None
        return (_as_written(node, tree) if isinstance(tree, dict) else tree), ""
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" in line {mark.line + 2}" if mark else ""
        return None, f"bad YAML front matter{line}: {error.problem or error.context}"
    except (YAMLError, RecursionError, ValueError) as error:
        return None, f"bad YAML front matter: {type(error).__name__}"


def _as_written(node: Any, value: Any) -> Any:
    """Return `value`, which was loaded from `node`, with the text of its numbers and dates: 1.10, 01234, 2024-1-2."""
    if isinstance(value, dict):
        written = {key.value: item for key, item in getattr(node, "value", ())}
        return {key: _as_written(written.get(str(key)), item) for key, item in value.items()}
    if isinstance(value, list) and isinstance(getattr(node, "value", None), list) and len(node.value) == len(value):
        return [_as_written(item, part) for item, part in zip(node.value, value, strict=True)]
    is_plain = isinstance(value, int | float) or hasattr(value, "isoformat")
    if is_plain and not isinstance(value, bool) and isinstance(getattr(node, "value", None), str):
        return node.value
    return value


@cache
def _yaml() -> "YAML":
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True)
