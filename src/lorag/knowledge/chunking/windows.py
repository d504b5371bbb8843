"""The fixed strategy: windows of tokens that may overlap."""

from collections.abc import Sequence

import numpy as np

from lorag.knowledge.chunking.atoms import Atom, Rank, join_atoms, refine
from lorag.knowledge.chunking.separators import word_starts
from lorag.knowledge.chunking.tokens import Ruler
from lorag.knowledge.documents import Block
from lorag.params import ChunkingParams


def cut_in_windows(blocks: Sequence[Block], budget: int, params: ChunkingParams, ruler: Ruler) -> list[str]:
    """Return windows of whole words, each as large as the budget allows; they restart at each heading.

    Each starts `overlap_tokens` (at most half of the room) before the end of the one before. An edit moves all later
    windows of its section. So this is the usual baseline for the other strategies, and not for documents that change.
    """
    text = "\n\n".join(block.text for block in blocks)
    words = refine(text, (word_starts,), budget, ruler, rank=Rank.WORD)
    return fill(words, budget, min(params.overlap_tokens, budget // 2))


def fill(atoms: Sequence[Atom], budget: int, overlap: int = 0) -> list[str]:
    """Fill chunks with as many atoms as fit, one after the other; each goes back `overlap` into the one before."""
    before = np.concatenate([[0], np.cumsum([atom.size for atom in atoms])])
    texts: list[str] = []
    start = end = 0
    while end < len(atoms):
        end = max(end + 1, int(np.searchsorted(before, before[start] + budget, side="right")) - 1)
        texts.append(join_atoms(atoms[start:end]))
        start = max(start + 1, int(np.searchsorted(before, before[end] - overlap)))
    return texts


def with_overlap(texts: Sequence[str], overlap: int, ruler: Ruler) -> list[str]:
    """Return the texts, each but the first with the last whole words of the one before, at most `overlap` tokens."""
    if not overlap:
        return list(texts)
    tails = ["", *(_tail(text, overlap, ruler) for text in texts[:-1])]
    return [f"{tail} {text}" if tail else text for tail, text in zip(tails, texts, strict=True)]


def _tail(text: str, size: int, ruler: Ruler) -> str:
    starts = ruler.token_starts(text)
    if len(starts) <= size:
        return text
    place = int(starts[len(starts) - size])
    return text[place:] if text[place - 1].isspace() else text[place:].partition(" ")[2]
