"""Cuts that follow the document's structure."""

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
    sentence_starts,
)
from lorag.knowledge.chunking.tokens import Ruler
from lorag.knowledge.documents import Block, BlockKind
from lorag.params import ChunkingParams

_REACH = 2
"""How many blocks on either side of a place tell it from others of its rank."""

_SEPARATORS: dict[BlockKind, Sequence[Separator]] = {
    BlockKind.PARAGRAPH: (sentence_starts, line_starts),
    BlockKind.LIST: (item_starts, line_starts, sentence_starts),
    BlockKind.CODE: (code_paragraph_starts, code_line_starts),
    BlockKind.TABLE: (line_starts, sentence_starts),
}


def cut_by_structure(blocks: Sequence[Block], budget: int, params: ChunkingParams, ruler: Ruler) -> list[str]:
    """A section whole where it fits; else cut before a new topic, then between blocks, then inside a large block.

    A paragraph after a list, code or a table starts a topic. The paragraph before one of them, and any below
    `min_tokens`, stay with what follows as long as both fit. A block is cut only where it alone is too large:
    a list between items, code at blank lines, a table between rows with its first row repeated, a paragraph between
    sentences.
    """
    sizes = ruler.sizes([block.text for block in blocks])
    atoms: list[Atom] = []
    before: tuple[Block, int] | None = None
    for index, (block, size) in enumerate(zip(blocks, sizes, strict=True)):
        rank = _rank(before, block, params.min_tokens)
        first, *others = _atoms(block, size, rank, budget, ruler)
        atoms += [replace(first, surroundings=_surroundings(blocks, index)), *others]
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


def _surroundings(blocks: Sequence[Block], index: int) -> str:
    """The kinds of the blocks around: what no edit of words changes."""
    near = range(max(index - _REACH, 0), min(index + _REACH, len(blocks)))
    return " ".join(f"{other - index}{blocks[other].kind}" for other in near)


def _atoms(block: Block, size: int, rank: Rank, budget: int, ruler: Ruler) -> list[Atom]:
    if size <= budget:
        return [Atom(block.text, size, rank, "\n\n")]
    separators = _SEPARATORS[block.kind]
    header, _, rows = block.text.partition("\n")
    lead_size = ruler.size(header)
    if block.kind is not BlockKind.TABLE or not rows.strip() or lead_size > budget // 3:
        return refine(block.text, separators, budget, ruler, rank=rank, gap="\n\n")
    body = refine(rows, separators, budget - lead_size, ruler, rank=Rank.GLUED, gap="\n")
    with_lead = [Atom(row.text, row.size, row.rank, row.gap, header + "\n", lead_size) for row in body]
    return [Atom(header, lead_size, rank, "\n\n"), *with_lead]
