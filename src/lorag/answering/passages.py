"""The part of a chunk that a model reads."""

from dataclasses import dataclass

from lorag.knowledge.documents import Chunk

Spans = tuple[tuple[int, int], ...]
"""The places in a chunk's text, as start and end, in the order of the text."""


@dataclass(frozen=True, slots=True)
class Passage:
    """The headings of a chunk and its sentences at `spans`, at least one."""

    chunk: Chunk
    spans: Spans

    @property
    def text(self) -> str:
        """The passage as the model reads it; a blank replaces left-out text, between items and rows a line break."""
        whole = self.chunk.text
        text = whole[slice(*self.spans[0])]
        for (_, before), (start, end) in zip(self.spans, self.spans[1:], strict=False):
            text += ("\n" if "\n" in whole[before:start] else " ") + whole[start:end]
        return f"{self.chunk.context}\n{text}" if self.chunk.context else text

    def holds(self, start: int, end: int) -> bool:
        """Whether the passage contains all of that place."""
        return any(first <= start and end <= last for first, last in self.spans)


def whole_passage(chunk: Chunk) -> Passage:
    """Return a passage with all of a chunk."""
    return Passage(chunk, ((0, len(chunk.text)),))
