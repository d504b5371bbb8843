"""What is wrong with a field of a request, in one line for people; pydantic's own words are for programmers."""

from collections.abc import Mapping
from typing import Any

from lorag.errors import ParamsError

_KINDS = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "an object",
    "model": "an object",
}
_LIMITS = {
    "greater_than": ("must be more than {gt}", "a greater number"),
    "greater_than_equal": ("must be at least {ge}", "a greater number"),
    "less_than": ("must be less than {lt}", "a smaller number"),
    "less_than_equal": ("must be at most {le}", "a smaller number"),
    "string_too_long": ("has more than {max_length} characters", "a shorter text"),
    "string_too_short": ("is empty", "some text"),
    "too_long": ("has more than {max_length} entries", "fewer of them"),
    "too_short": ("is empty", "at least one"),
    "enum": ("must be {expected}", "one of these"),
    "literal_error": ("must be {expected}", "one of these"),
}


def explain_field(error: Mapping[str, Any], where: str) -> ParamsError:
    """Return the error of a request for one of pydantic's; `where` is the path of the field, empty for the whole."""
    kind, values = str(error["type"]), error.get("ctx", {})
    name = where.rpartition(".")[2] or "the request"
    if kind == "missing":
        what, do = (f"{name} is missing", "send it") if where else ("there is no body", "send JSON")
    elif kind in ("extra_forbidden", "unexpected_keyword_argument"):
        what, do = f"there is no field {name}", "leave it out, or correct its name"
    elif kind in _LIMITS:
        what, do = _LIMITS[kind]
        what, do = f"{name} {what.format_map(values)}", f"send {do}"
    elif (wanted := kind.partition("_")[0]) in _KINDS:
        what, do = f"{name} must be {_KINDS[wanted]}", "correct its type"
    else:
        what, do = f"{name}: {error['msg']}", "correct it"
    return ParamsError(what[:500], where=where[:200], do=do)


def path_of(location: tuple[int | str, ...]) -> str:
    """Return the path of a field, by names and numbers joined by dots; without steps that only the check knows."""
    return ".".join(str(part) for part in location if part not in ("", "[key]"))
