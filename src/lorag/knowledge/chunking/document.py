"""The chunks of a document, by the strategy that the params name."""

from collections.abc import Callable, Sequence

from lorag.digests import digest_of
from lorag.knowledge.chunking.atoms import Rank, refine
from lorag.knowledge.chunking.recursive import cut_by_separators
from lorag.knowledge.chunking.sections import Section, split_sections
from lorag.knowledge.chunking.sentence import cut_by_sentences
from lorag.knowledge.chunking.separators import word_starts
from lorag.knowledge.chunking.structure import cut_by_structure
from lorag.knowledge.chunking.tokens import Ruler, TokenCounter
from lorag.knowledge.chunking.windows import cut_in_windows, fill
from lorag.knowledge.documents import Block, Chunk, Document
from lorag.params import ChunkingParams, ChunkingStrategy

ID_LENGTH = 32

_STRATEGIES: dict[ChunkingStrategy, Callable[[Sequence[Block], int, ChunkingParams, Ruler], list[str]]] = {
    ChunkingStrategy.STRUCTURE: cut_by_structure,
    ChunkingStrategy.RECURSIVE: cut_by_separators,
    ChunkingStrategy.SENTENCE: cut_by_sentences,
    ChunkingStrategy.FIXED: cut_in_windows,
}


def chunk_document(document: Document, params: ChunkingParams, tokens: TokenCounter) -> list[Chunk]:
    """Return the document's chunks in reading order; empty if it has no text.

    Every chunk's `embedded_text` has at most `params.max_tokens` tokens, special tokens included. It also has at most
    16 times as many characters, so that an endless word is cut too: the tokenizer may read it as one unknown token. All
    text is in some chunk. A chunk never crosses a heading.
    """
    ruler = Ruler(tokens)
    sections = split_sections(document, ruler, params.max_tokens)
    ruler.sizes([block.text for section in sections for block in section.blocks])
    placed = [(section.context, text) for section in sections for text in _cut_section(section, params, ruler)]
    return _number(document, _fit(placed, params.max_tokens, ruler))


def _cut_section(section: Section, params: ChunkingParams, ruler: Ruler) -> list[str]:
    return _STRATEGIES[params.strategy](section.blocks, _room(section.context, params.max_tokens, ruler), params, ruler)


def _room(context: str, max_tokens: int, ruler: Ruler) -> int:
    """Return the tokens that the context and the special tokens leave for the text."""
    return max_tokens - ruler.special_tokens - (ruler.size(f"{context}\n") if context else 0)


def _fit(placed: Sequence[tuple[str, str]], max_tokens: int, ruler: Ruler) -> list[tuple[str, str]]:
    """Return the same texts, with those that turn out too large cut by words.

    The sum of the sizes of the parts is exact only where each word is tokenized by itself. That is not so for every
    tokenizer, nor for a word that was cut. So the size of the text as it will be embedded decides.
    """
    sizes = ruler.sizes([_embedded(context, text) for context, text in placed])
    result: list[tuple[str, str]] = []
    for (context, text), size in zip(placed, sizes, strict=True):
        room = _room(context, max_tokens, ruler)
        if size + ruler.special_tokens <= max_tokens or len(text) == 1:
            result.append((context, text))
        else:
            smaller = _cut_smaller(text, room, ruler)
            result += _fit([(context, part) for part in smaller], max_tokens, ruler)
    return result


def _cut_smaller(text: str, room: int, ruler: Ruler) -> list[str]:
    parts = fill(refine(text, (word_starts,), room, ruler, rank=Rank.WORD), room * 3 // 4)
    if len(parts) > 1:
        return parts
    return [text[: len(text) // 2], text[len(text) // 2 :]]


def _embedded(context: str, text: str) -> str:
    return f"{context}\n{text}" if context else text


def _number(document: Document, placed: Sequence[tuple[str, str]]) -> list[Chunk]:
    seen: dict[tuple[str, str], int] = {}
    chunks = []
    for context, text in placed:
        if not text.strip():
            continue
        earlier = seen.get((context, text), 0)
        seen[context, text] = earlier + 1
        chunk_id = digest_of([document.id, context, text, earlier])[:ID_LENGTH]
        chunks.append(Chunk(chunk_id, document.id, context, text, document.metadata))
    return chunks
