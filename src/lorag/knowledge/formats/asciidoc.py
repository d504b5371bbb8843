"""AsciiDoc by a small reader of its common syntax. Nothing is included, and conditions are taken as met."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from lorag.knowledge.documents import Block, BlockKind, Reason
from lorag.knowledge.formats.decoding import decode_text
from lorag.knowledge.formats.parsed import Limits, ParsedDocument, Quarantine, choose_title
from lorag.knowledge.formats.raised import lowered, raised
from lorag.knowledge.formats.tables import Cell, table_text

_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)")
_ATTRIBUTE = re.compile(r":(!?[\w-]+!?):(?:[ \t]+(.*))?")
_ITEM = re.compile(r"[ \t]*(\*{1,5}|-|\.{1,5}|\d+\.)[ \t]+(\S.*)")
_TERM = re.compile(r"[ \t]*(\S.*?):{2,4}(?:[ \t]+(\S.*))?")
_TITLE = re.compile(r"\.([^\s.].*)")
_DELIMITER = re.compile(r"(-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|/{4,}|--|```\w*|[|,!:]={3,})[ \t]*")
_SKIPPED = re.compile(r"//(?!/)|\[.*\][ \t]*$|(?:include|ifdef|ifndef|ifeval|endif|toc)::|'{3}$|<{3}$|image::\S+\[\]$")
_CELL = re.compile(r"(?:^|\s)(?:(\d+)?(?:\.(\d+))?\+)?(?:\d+\*)?[<^>.]*[adehlmsv]?\|")
_REFERENCE = re.compile(r"\{([\w-]+)\}")
_MAX_DEPTH = 50
_LITERAL = ("----", "....", "```", "++++")

_Write = Callable[[re.Match[str]], str]
_INLINE: tuple[tuple[re.Pattern[str], _Write], ...] = (
    (re.compile(r"\+\+\+?(.+?)\+\+\+?|`\+(.+?)\+`"), lambda m: m[1] or m[2]),
    (re.compile(r"footnote:[\w-]*\[([^\]]*)\]"), lambda m: f" ({m[1]})"),
    (re.compile(r"image:{1,2}\S+?\[([^\],\"]*)[^\]]*\]"), lambda m: m[1]),
    (re.compile(r"(?:link:|xref:|mailto:)(\S+?)\[([^\]]*)\]"), lambda m: m[2] or m[1]),
    (re.compile(r"((?:https?|ftp)://[^\s\[\]]+)\[([^\]]*)\]"), lambda m: m[2] or m[1]),
    (re.compile(r"<<([^,>]+)(?:,\s*([^>]+))?>>"), lambda m: m[2] or m[1]),
    (re.compile(r"(?:kbd|btn|menu|pass|stem|latexmath|asciimath):\w*\[([^\]]*)\]"), lambda m: m[1]),
    (re.compile(r"\[\[[^\]]*\]\]|\(\(\([^)]*\)\)\)|\[#[\w-]+\]"), lambda m: ""),
    (re.compile(r"(?<=\S)\^(\S+?)\^"), lambda m: raised(m[1], m.string[: m.start()])),
    (re.compile(r"(?<=\S)~(\S+?)~"), lambda m: lowered(m[1], m.string[: m.start()])),
    (re.compile(r"(?:\[[\w.#-]+\])?(\*\*|__|``|##)(?=\S)(.+?)(?<=\S)\1"), lambda m: m[2]),
    (re.compile(r"(?<![\w*_`#])(?:\[[\w.#-]+\])?([*_`#])(?=\S)(.+?)(?<=\S)\1(?![\w])"), lambda m: m[2]),
)


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse a page: headings, paragraphs, lists, code, tables; the attributes of its header become metadata."""
    decoded = decode_text(data)
    reader = _Reader()
    reader.read(decoded.text.split("\n"))
    return ParsedDocument(choose_title("", reader.blocks), tuple(reader.blocks), reader.metadata, decoded.flags)


class _Reader:
    """A reader of lines; it collects those of a paragraph or a list until another kind of line comes."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.metadata: dict[str, str] = {}
        self._attributes: dict[str, str] = {}
        self._is_list = False
        self._lines: list[str] = []
        self._numbers: dict[int, int] = {}
        self._joins = False  # whether what follows belongs to the last item

    def read(self, lines: Sequence[str], depth: int = 0) -> None:
        """Add the blocks of these lines."""
        if depth > _MAX_DEPTH:
            raise Quarantine(Reason.TOO_DEEP, f"blocks nest deeper than {_MAX_DEPTH}")
        position = 0
        while position < len(lines):
            line = lines[position].rstrip()
            position += 1
            if fence := _DELIMITER.fullmatch(line):
                close = "```" if line.startswith("```") else fence[1]
                end = next((at for at in range(position, len(lines)) if lines[at].rstrip() == close), len(lines))
                self._read_delimited(fence[1], lines[position:end], depth)
                position = end + 1
            else:
                self._read_line(line)
        self._flush()

    def _read_delimited(self, fence: str, inner: Sequence[str], depth: int) -> None:
        self._flush()
        if fence.startswith("////"):
            return
        if fence[0] in "|,:!":
            self.blocks.append(Block(BlockKind.TABLE, self._table(fence[0], inner)))
        elif fence.startswith(_LITERAL):
            self.blocks.append(Block(BlockKind.CODE, "\n".join(inner).strip("\n")))
        else:
            self.read(inner, depth + 1)

    def _read_line(self, line: str) -> None:
        if not line.strip():
            if not self._is_list:
                self._flush()
            self._joins = self._is_list
        elif attribute := _ATTRIBUTE.fullmatch(line):
            self._read_attribute(attribute[1], self._inline(attribute[2] or ""))
        elif line.strip() == "+":
            self._joins = False
        elif _SKIPPED.match(line):
            return
        elif heading := _HEADING.fullmatch(line):
            self._flush()
            self.blocks.append(Block(BlockKind.HEADING, self._inline(heading[2]), len(heading[1])))
        elif item := _ITEM.fullmatch(line):
            self._add_item(item[1], item[2])
        elif (term := _TERM.fullmatch(line)) and (self._is_list or not self._lines):
            self._begin_list()
            self._lines.append(f"- {self._inline(term[1])}: {self._inline(term[2] or '')}".rstrip())
        elif (title := _TITLE.fullmatch(line)) and (self._joins or not self._lines):
            self._flush()
            self.blocks.append(Block(BlockKind.PARAGRAPH, self._inline(title[1])))
        else:
            self._add_text(line)

    def _read_attribute(self, name: str, value: str) -> None:
        self._attributes[name] = value
        if value and all(block.kind is BlockKind.HEADING for block in self.blocks):
            self.metadata[name] = value

    def _add_item(self, sign: str, text: str) -> None:
        self._begin_list()
        depth = len(sign) - 1 if sign[0] in "*." else 0
        marker = sign if sign[0].isdigit() else "-"
        if sign[0] == ".":
            self._numbers = {key: number for key, number in self._numbers.items() if key <= depth}
            self._numbers[depth] = self._numbers.get(depth, 0) + 1
            marker = f"{self._numbers[depth]}."
        self._lines.append(f"{'  ' * depth}{marker} {self._inline(text)}")

    def _add_text(self, line: str) -> None:
        if self._is_list and self._joins:
            self._flush()  # a paragraph behind the list
        text = self._inline(line.strip().removesuffix(" +"))
        if self._is_list:
            self._lines[-1] += f" {text}"
        else:
            self._lines.append(text)

    def _begin_list(self) -> None:
        if not self._is_list:
            self._flush()
        self._is_list, self._joins = True, False

    def _flush(self) -> None:
        if self._lines and self._is_list:
            self.blocks.append(Block(BlockKind.LIST, "\n".join(self._lines)))
        elif self._lines:
            self.blocks.append(Block(BlockKind.PARAGRAPH, " ".join(self._lines)))
        self._lines, self._numbers = [], {}
        self._is_list = self._joins = False

    def _table(self, sign: str, lines: Sequence[str]) -> str:
        """Return a table: the cells of its first line give its width, and a row may take several lines."""
        if sign in ",:":
            return table_text([[Cell(self._inline(text.strip())) for text in line.split(sign)] for line in lines])
        cells: list[list[Cell]] = [self._cells(line) for line in lines if line.strip() and not line.startswith("//")]
        joined: list[Cell] = []
        width = max(sum(cell.columns for cell in cells[0]), 1) if cells else 1
        for line, found in zip(
            (line for line in lines if line.strip() and not line.startswith("//")), cells, strict=True
        ):
            if not found and joined:
                joined[-1] = replace(joined[-1], text=f"{joined[-1].text} {self._inline(line.strip())}".strip())
            joined += found
        return table_text(list(_in_rows(joined, width)))

    def _cells(self, line: str) -> list[Cell]:
        marks = list(_CELL.finditer(line))
        if not marks:
            return []
        ends = [*(mark.start() for mark in marks[1:]), len(line)]
        return [
            Cell(self._inline(line[mark.end() : end].strip()), int(mark[1] or 1), int(mark[2] or 1))
            for mark, end in zip(marks, ends, strict=True)
        ]

    def _inline(self, text: str) -> str:
        text = _REFERENCE.sub(lambda name: self._attributes.get(name[1], name[0]), text)
        for pattern, write in _INLINE:
            text = pattern.sub(write, text)
        return text


def _in_rows(cells: Sequence[Cell], width: int) -> Iterator[list[Cell]]:
    """Yield rows of `width` columns; a cell that spans rows takes its place in those below."""
    taken: dict[int, int] = {}  # how many columns of a row to come are taken from above
    row: list[Cell] = []
    number = used = 0
    for cell in cells:
        row.append(cell)
        used += cell.columns
        for below in range(1, min(cell.rows, len(cells))):
            taken[number + below] = taken.get(number + below, 0) + cell.columns
        if used + taken.get(number, 0) >= width:
            yield row
            row, used, number = [], 0, number + 1
    if row:
        yield row
