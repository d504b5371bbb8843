"""Instructions: the steps of a list and the blocks of code that together answer how to do something."""

import re
from collections.abc import Iterator

_ASKS_HOW = re.compile(
    r"\s*(?:how (?:do|does|can|could|should|would|must|to|is|are)\b"
    r"|(?:what|which) (?:steps|commands?)\b|(?:please )?(?:show|tell|explain)(?: me)? how\b)",
    re.IGNORECASE,
)
_BLOCK = re.compile(r"(?:.*\S.*(?:\n|\Z))+")
_ITEM = re.compile(r"[ \t]*(?:[-*+\u2022]|\(?\w{1,3}[.)])\s")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_CODE_LINE = re.compile(
    r"\s*(?:- )?(?![A-Z][a-z]*:)[\w./-]+:(?:\s.*)?$"  # a key and its value; `Note:` begins a sentence
    r"|\s*[$><]\s*\S"
    r"|(?=.{1,200}$).*\s--?[a-z]"
    r"|.*[{};\\=]\s*$"
    r"|\s*[a-z][\w.-]*(?: [\w./=-]+){1,4}$"
)
_COMMENT = re.compile(r"\s*(?:#|//)\s*\S")
_SENTENCE = re.compile(r"\w[\w)\"'` ]*[.!?][\"')]*\s*$")

_MOST = 1_500
"""The most characters of instructions that are quoted."""


def asks_how(question: str) -> bool:
    """Whether the question asks how to do something, and not how many or how long."""
    return _ASKS_HOW.match(question) is not None


def is_code(text: str) -> bool:
    """Whether a quotable text is code: a block in fences, or lines that are no sentences.

    Parsers keep the lines of a block of code and not its fences, so the lines have to show it.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    return _FENCE.match(text) is not None or (bool(lines) and all(_is_code_line(line) for line in lines))


def steps_near(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the place of all steps that belong to a span of the text, with the line that announces them.

    These are the lists and blocks of code around the span, or else the next ones, or the last ones before. Steps that
    are further away are left out if all together are longer than 1,500 characters. None if the text has no steps.
    """
    runs = list(_runs(text))
    if not runs:
        return None
    around = [run for run in runs if run[0][0] <= start and end <= run[-1][1]]
    behind = [run for run in runs if run[0][0] >= end]
    blocks = (around or behind or runs[-1:])[0]
    holding = [number for number, (_, right) in enumerate(blocks) if around and right <= start]
    first = len(holding)
    if blocks[-1][1] - blocks[0][0] <= _MOST:
        first = 0
    last = first
    while last + 1 < len(blocks) and blocks[last + 1][1] - blocks[first][0] <= _MOST:
        last += 1
    return blocks[first][0], blocks[last][1]


def _is_code_line(line: str) -> bool:
    if _COMMENT.match(line):
        return True
    return not _SENTENCE.search(line) and _CODE_LINE.match(line) is not None


def _runs(text: str) -> Iterator[list[tuple[int, int]]]:
    """Yield the blocks of each instruction, as places: steps in a row, and a line that announces them."""
    blocks = [(match.start(), match.end() - len(match[0]) + len(match[0].rstrip())) for match in _BLOCK.finditer(text)]
    run: list[tuple[int, int]] = []
    has_steps = False
    for start, end in blocks:
        block = text[start:end]
        is_step = is_code(block) or any(_ITEM.match(line) for line in block.splitlines())
        if is_step or block.endswith(":"):
            run.append((start, end))
            has_steps = has_steps or is_step
            continue
        if has_steps:
            yield run
        run, has_steps = [], False
    if has_steps:
        yield run
