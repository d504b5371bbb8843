"""Removal of what documentation generators add to Markdown: Hugo shortcodes, and JSX with its imports in MDX."""

import re
from collections.abc import Callable, Iterator

_SHORTCODE = re.compile(r"\{\{[<%]\s*(/?)\s*([\w./-]+)?([^{}]*?)/?\s*[>%]\}\}")
_POSITIONAL = re.compile(r"""[\w-]+\s*=\s*(?:"[^"]*"|`[^`]*`|\S+)|"([^"]*)"|`([^`]*)`""")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_JSX_VALUE = r"""(?:"[^"]*"|'[^']*'|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})"""
# The attributes of a component that show text, and the strings in their values.
_JSX_SHOWN = re.compile(
    rf"\s(?:title|label|text|heading|header|summary|caption|description|subtitle|question|answer|content|items|alt)"
    rf"\s*=\s*({_JSX_VALUE})"
)
_JSX_STRING = re.compile(r""""([^"]*)"|'([^']*)'|`([^`$]*)`""")
_JSX_TAG = re.compile(rf"</?(?:[A-Z][\w.]*(?:\s+(?:[\w:-]+(?:\s*=\s*{_JSX_VALUE})?|\{{\.\.\.\w+\}}))*)?\s*/?>")
_JSX_COMMENT = re.compile(r"\{\s*/\*.*?\*/\s*\}", re.DOTALL)
_MODULE_LINE = re.compile(r"(?:import|export)\b(?=\s+[\w{*'\"])")
_CODE_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)


def strip_shortcodes(text: str) -> str:
    """Remove Hugo's `{{< >}}` and `{{% %}}`; text between them and their unnamed quoted arguments stay."""
    if "{{<" not in text and "{{%" not in text:
        return text
    # A shortcode on a line of its own is a block, and its text is not part of the paragraph below.
    alone = re.compile(rf"(?m)^[ \t]*{_SHORTCODE.pattern}[ \t]*$")
    return _outside_fences(
        text,
        lambda part: _SHORTCODE.sub(_shortcode_text, alone.sub(lambda match: f"\n{_shortcode_text(match)}\n", part)),
    )


def strip_jsx(text: str) -> tuple[str, int]:
    """Return Markdown without imports, exports and JSX tags, and the number of comments that were dropped.

    Texts that a tag shows, such as its `title`, take its place.
    """
    comments = 0

    def strip(part: str) -> str:
        nonlocal comments
        part = "\n".join(_without_modules(part.split("\n")))
        part, found = _JSX_COMMENT.subn("", part)
        comments += found
        pieces, position = [], 0
        for span in _CODE_SPAN.finditer(part):
            pieces += [_JSX_TAG.sub(_shown_text, part[position : span.start()]), span.group()]
            position = span.end()
        return "".join(pieces) + _JSX_TAG.sub(_shown_text, part[position:])

    return _outside_fences(text, strip), comments


def _shortcode_text(match: re.Match[str]) -> str:
    if match[1]:
        return ""
    return " ".join(a or b for a, b in _POSITIONAL.findall(match[3]) if a or b)


def _shown_text(tag: re.Match[str]) -> str:
    """Return the texts that a JSX tag shows; on lines of their own where the tag stands on one."""
    values = (_JSX_STRING.findall(value[1]) for value in _JSX_SHOWN.finditer(tag[0]))
    texts = [text for found in values for parts in found if (text := "".join(parts).strip())]
    if not texts:
        return ""
    start = tag.string.rfind("\n", 0, tag.start()) + 1
    is_alone = not tag.string[start : tag.start()].strip()
    around = "\n\n" if is_alone else " "
    return f"{around}{'; '.join(texts)}{around}"


def _without_modules(lines: list[str]) -> Iterator[str]:
    """Drop `import` and `export` statements: each ends where its brackets do, at the latest at a blank line."""
    open_brackets = 0
    inside = False
    for line in lines:
        if not inside and _MODULE_LINE.match(line):
            inside = True
        if not inside:
            yield line
            continue
        open_brackets += sum(map(line.count, "{([")) - sum(map(line.count, "})]"))
        if open_brackets <= 0 and not line.rstrip().endswith(("=", "=>", "from", ",")) or not line.strip():
            inside, open_brackets = False, 0


def _outside_fences(text: str, change: Callable[[str], str]) -> str:
    """Return `text` with `change` applied to everything outside code fences."""
    parts: list[str] = []
    outside: list[str] = []
    fence = ""
    for line in text.split("\n"):
        opened = _FENCE.match(line)
        if not fence and opened:
            parts += [change("\n".join(outside))] if outside else []
            outside = []
            fence = opened[1]
            parts.append(line)
        elif fence:
            parts.append(line)
            if opened and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        else:
            outside.append(line)
    if outside:
        parts.append(change("\n".join(outside)))
    return "\n".join(parts)
