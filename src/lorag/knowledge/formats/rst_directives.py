"""Roles and directives of reStructuredText that docutils does not know, mostly those of Sphinx: their text is kept."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

_DIRECTIVE = re.compile(r"(?m)^[ \t]*\.\.[ \t]+(?:\|[^|\n]+\|[ \t]+)?([A-Za-z][\w.:+-]*?)[ \t]?::(?=\s|$)")
_ROLE = re.compile(r":([A-Za-z][\w.:+-]*):(?=`)|(?<=`):([A-Za-z][\w.:+-]*):")
_TITLED_TARGET = re.compile(r"(.+?)\s*<[^<>]+>$", re.DOTALL)
_LAST_NAME = re.compile(r"~(?:[\w.:]*[.:])?(\w+(?:\(\))?)")
_LITERAL = frozenset({"file", "samp", "command", "program", "kbd", "option", "regexp"})
# Left out, also where docutils knows them: they read files or other pages, list pages, or give today's date.
_NAVIGATION = {"toctree", "include", "literalinclude", "raw", "date", "index", "contents", "meta"} | {
    "highlight",
    "currentmodule",
    "py:currentmodule",
    "default-domain",
    "tabularcolumns",
}
# Directives whose argument is a condition or a layout, which no reader sees.
_SILENT_ARGUMENT = {"only", "ifconfig", "grid", "hlist", "grid-item", "tab-set"}
_CODE = {"code", "code-block", "sourcecode", "parsed-literal", "prompt", "testcode", "doctest"}


def register_unknown(text: str) -> None:
    """Make docutils keep the text of roles and directives that it does not know, instead of an error message."""
    from docutils.parsers.rst import directives, roles
    from docutils.parsers.rst.languages import get_language
    from docutils.utils import new_document

    document = new_document("")
    english: Any = get_language("en")
    for name in _NAVIGATION:
        directives.register_directive(name, _directive_class(_leave_out))
    for name in _CODE:
        directives.register_directive(name, _directive_class(_keep_code))
    for name in {name.lower() for name in _DIRECTIVE.findall(text)}:
        if directives.directive(name, english, document)[0] is None:
            directives.register_directive(name, _directive_class(_keep_text))
    for before, after in set(_ROLE.findall(text)):
        name = (before or after).lower()
        if roles.role(name, english, 0, document.reporter)[0] is None:
            roles.register_local_role(name, _read_role)


def _read_role(
    name: str, rawtext: str, text: str, lineno: int, inliner: Any, options: Any = None, content: Any = ()
) -> tuple[list[Any], list[Any]]:
    """Return the text of an unknown role as Sphinx shows it.

    That is `title` of `title <target>`, the last name of `~package.module.name`, and `name()` of a function or method.
    """
    from docutils import nodes
    from docutils.utils import unescape

    plain = unescape(text)
    if name in ("guilabel", "menuselection"):
        plain = plain.replace("&&", "\x00").replace("&", "").replace("\x00", "&")  # a letter of the keyboard
    elif name in ("samp", "file"):
        plain = plain.replace("{", "").replace("}", "")  # a part to be filled in
    titled = _TITLED_TARGET.match(plain)
    if titled:
        return [nodes.inline(rawtext, titled[1])], []
    shown = plain.removeprefix("!")
    if name not in _LITERAL and (last := _LAST_NAME.fullmatch(shown)):
        shown = last[1]
    if name.rpartition(":")[2] in ("func", "meth") and shown and not shown.endswith(")"):
        shown += "()"
    return [nodes.inline(rawtext, shown)], []


def _leave_out(directive: Any) -> list[Any]:
    return []


def _keep_code(directive: Any) -> list[Any]:
    from docutils import nodes

    return [nodes.literal_block("", "\n".join(directive.content))]


def _keep_text(directive: Any) -> list[Any]:
    from docutils import nodes

    container = nodes.container()
    if directive.arguments and directive.name not in _SILENT_ARGUMENT:
        argument = " ".join(directive.arguments[0].split())
        parsed, _ = directive.state.inline_text(argument, directive.lineno)
        container += nodes.paragraph("", "", *parsed)
    directive.state.nested_parse(directive.content, directive.content_offset, container)
    return [container]


@cache
def _directive_class(read: Callable[[Any], list[Any]]) -> type[Any]:
    """Return a directive that takes any argument, options and content, and returns the result of `read`."""
    from docutils.parsers.rst import Directive

    class AnyDirective(Directive):
        has_content = True
        optional_arguments = 1
        final_argument_whitespace = True
        option_spec = defaultdict(lambda: str, {"class": str})

        def run(self) -> Sequence[Any]:
            return read(self)

    return AnyDirective
