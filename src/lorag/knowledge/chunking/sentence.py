"""The sentence strategy: groups of whole sentences."""

from collections.abc import Sequence

from lorag.knowledge.chunking.atoms import Atom, Rank, join_atoms, refine
from lorag.knowledge.chunking.cutting import cut
from lorag.knowledge.chunking.separators import line_starts
from lorag.knowledge.chunking.tokens import Ruler
from lorag.knowledge.documents import Block, BlockKind
from lorag.knowledge.sentences import sentence_starts
from lorag.params import ChunkingParams


def cut_by_sentences(blocks: Sequence[Block], budget: int, params: ChunkingParams, ruler: Ruler) -> list[str]:
    """Return a section whole if it fits; else runs of whole sentences, which may cross blocks.

    A line of a list, of code or of a table counts as a sentence. A sentence is cut only if it is too large by itself.
    """
    sizes = ruler.sizes([block.text for block in blocks])
    if sum(sizes) <= budget:
        return ["\n\n".join(block.text for block in blocks)]
    atoms: list[Atom] = []
    for block in blocks:
        prose = block.kind is BlockKind.PARAGRAPH
        separators = (sentence_starts, line_starts) if prose else (line_starts, sentence_starts)
        atoms += refine(block.text, separators, budget, ruler, rank=Rank.ITEM, gap="\n\n")
    return [join_atoms(run) for run in cut(atoms, budget, params.min_tokens)]
