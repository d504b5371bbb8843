"""The recursive strategy: cuts at the coarsest separator that makes the pieces small enough."""

from collections.abc import Sequence

from lorag.knowledge.chunking.atoms import Atom, Rank, join_atoms, refine
from lorag.knowledge.chunking.cutting import cut
from lorag.knowledge.chunking.separators import line_starts
from lorag.knowledge.chunking.tokens import Ruler
from lorag.knowledge.chunking.windows import with_overlap
from lorag.knowledge.documents import Block
from lorag.knowledge.sentences import sentence_starts
from lorag.params import ChunkingParams


def cut_by_separators(blocks: Sequence[Block], budget: int, params: ChunkingParams, ruler: Ruler) -> list[str]:
    """Return a section whole if it fits; else cut between blocks, then lines, sentences and words, whatever they hold.

    With an overlap each chunk except a section's first starts with the last words of the one before, so an edit there
    changes both. The overlap takes at most half of the room.
    """
    overlap = min(params.overlap_tokens, budget // 2)
    room = budget - overlap
    atoms: list[Atom] = []
    for block, size in zip(blocks, ruler.sizes([block.text for block in blocks]), strict=True):
        if size <= room:
            atoms.append(Atom(block.text, size, Rank.BLOCK, "\n\n"))
        else:
            atoms += refine(block.text, (line_starts, sentence_starts), room, ruler, rank=Rank.BLOCK, gap="\n\n")
    if sum(atom.size for atom in atoms) <= budget:
        return [join_atoms(atoms)]
    return with_overlap([join_atoms(run) for run in cut(atoms, room, params.min_tokens)], overlap, ruler)
