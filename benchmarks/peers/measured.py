"""The result of one measurement, and the split of its time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Run = Callable[[], "Work"]
"""The timed part; everything before it (imports, model, saved state, input files) is already done."""


@dataclass
class Work:
    """The work of a run; `parts` are seconds within the timed part, `save` is called after it and timed separately."""

    n_embedded: int
    n_rows: int
    parts: dict[str, float] = field(default_factory=dict)
    save: Callable[[], None] | None = None
    backend: str = ""


@dataclass
class Clock:
    """A clock that adds up seconds by part."""

    parts: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time of the block to `name`."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.parts[name] = self.parts.get(name, 0.0) + time.perf_counter() - begun


@dataclass
class EncodeMeter:
    """A meter of texts and seconds in `SentenceTransformer.encode`, which both peers call for every embedding."""

    n_texts: int = 0
    seconds: float = 0.0

    def install(self) -> None:
        """Wrap the method; call this once, after the warm-up."""
        from sentence_transformers import SentenceTransformer

        encode = SentenceTransformer.encode

        def metered(*arguments: object, **options: object) -> object:
            begun = time.perf_counter()
            result = encode(*arguments, **options)
            self.seconds += time.perf_counter() - begun
            self.n_texts += len(result)
            return result

        SentenceTransformer.encode = metered
