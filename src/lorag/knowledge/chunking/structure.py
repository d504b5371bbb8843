"""The structure strategy: cuts that follow the document's structure."""

from collections.abc import Sequence
from dataclasses import replace

from lorag.knowledge.chunking.atoms import Atom, Rank, join_atoms, refine
from lorag.knowledge.chunking.cutting import cut
from lorag.knowledge.chunking.separators import (
    Separator,
    code_line_starts,
    code_paragraph_starts,
    item_starts,
    line_starts,
)
from lorag.knowledge.chunking.tokens import Ruler
from lorag.knowledge.documents import Block, BlockKind
from lorag.knowledge.sentences import sentence_starts
from lorag.params import ChunkingParams

_REACH = 2
"""How many blocks on either side distinguish places of one rank, by their kinds, which no edit of words changes."""

_SEPARATORS: dict[BlockKind, Sequence[Separator]] = {
    BlockKind.PARAGRAPH: (sentence_starts, line_starts),
    BlockKind.LIST: (item_starts, line_starts, sentence_starts),
    BlockKind.CODE: (code_paragraph_starts, code_line_starts),
    BlockKind.TABLE: (line_starts, sentence_starts),
}


def cut_by_structure(blocks: Sequence[Block], budget: int, params: ChunkingParams, ruler: Ruler) -> list[str]:
    """Return a section whole if it fits; else cut it before a new topic, then between blocks, then inside a block.

    A paragraph after a list, code or a table starts a topic. The paragraph before one of them, and any paragraph below
    `min_tokens`, stays with what follows as long as both fit. A block is cut only if it is too large by itself: a list
    between items, code at blank lines, a table between rows with its first row repeated, a paragraph between sentences.
    """
    sizes = ruler.sizes([block.text for block in blocks])
    kinds = "".join([" " * _REACH, *(block.kind[0] for block in blocks), " " * _REACH])
    atoms: list[Atom] = []
    before: tuple[Block, int] | None = None
    for index, (block, size) in enumerate(zip(blocks, sizes, strict=True)):
        first = Atom(
            block.text, size, _rank(before, block, params.min_tokens), "\n\n", kinds[index : index + 2 * _REACH]
        )
        atoms += [first] if size <= budget else _refine_block(first, block.kind, budget, ruler)
        before = block, size
    return [join_atoms(run) for run in cut(atoms, budget, params.min_tokens)]


def _rank(before: tuple[Block, int] | None, block: Block, min_tokens: int) -> Rank:
    if before is None:
        return Rank.BLOCK
    above, size = before
    if above.kind is not BlockKind.PARAGRAPH:
        return Rank.TOPIC if block.kind is BlockKind.PARAGRAPH else Rank.ATTACHED
    introduces = block.kind is not BlockKind.PARAGRAPH
    return Rank.GLUED if introduces or size < min_tokens else Rank.BLOCK


def _refine_block(block: Atom, kind: BlockKind, budget: int, ruler: Ruler) -> list[Atom]:
    separators = _SEPARATORS[kind]
    header, _, rows = block.text.partition("\n")
    lead_size = ruler.size(header) if kind is BlockKind.TABLE else 0
    if kind is not BlockKind.TABLE or not rows.strip() or lead_size > budget // 3:
        first, *others = refine(block.text, separators, budget, ruler, rank=block.rank, gap=block.gap)
        return [replace(first, surroundings=block.surroundings), *others]
    cells = refine(rows, separators, budget - lead_size, ruler, rank=Rank.GLUED, gap="\n")
    return [
        replace(block, text=header, size=lead_size),
        *(replace(cell, lead=f"{header}\n", lead_size=lead_size) for cell in cells),
    ]
