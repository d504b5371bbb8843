"""The text of one answer, made from its pieces or its tokens as they come."""

import time

from tokenizers.decoders import DecodeStream

from lorag.answering.generator import Generation, StopRule
from lorag.integrations.models.model_text import ModelText


class TextWriter:
    """The text of an answer under way, which ends where the model or a rule ends it, with the clock of both phases."""

    def __init__(self, stop: StopRule) -> None:
        self.ended = False
        self.text = ""
        self._stop = stop
        self._n_taken = 0
        self._started = self._last = time.perf_counter()
        self._first: float | None = None

    def add(self, piece: str) -> None:
        """Add the next piece; one after the end is ignored."""
        if self.ended:
            return
        self._last = time.perf_counter()
        self._first = self._last if self._first is None else self._first
        self.text += piece
        end = self._stop.find_end(self.text) if piece else None
        if end is not None:
            self.text = self.text[:end]
            self.ended = True

    def end(self) -> None:
        """End the text where it is: nothing more comes."""
        self.ended = True

    def take(self) -> str:
        """Return the text that came since the last call and that the rule cannot take back any more."""
        end = len(self.text) if self.ended else max(self._n_taken, self._stop.settled(self.text))
        piece = self.text[self._n_taken : end]
        self._n_taken = max(self._n_taken, end)
        return piece

    def generation(self, n_prompt: int, n_generated: int) -> Generation:
        """Return the whole text with its counts of tokens."""
        first = self._last if self._first is None else self._first
        return Generation(self.text.strip(), n_prompt, n_generated, first - self._started, self._last - first)


class TokenWriter(TextWriter):
    """A TextWriter that is given tokens."""

    def __init__(self, text: ModelText, stop: StopRule) -> None:
        super().__init__(stop)
        self.n_tokens = 0
        self._model_text = text
        self._decoder = DecodeStream(skip_special_tokens=True)

    def add_token(self, token: int) -> None:
        """Add the next token; one after the end is ignored."""
        if self.ended:
            return
        self.n_tokens += 1
        ends = token in self._model_text.stop_ids
        self.add("" if ends else self._decoder.step(self._model_text.tokenizer, token) or "")
        self.ended = self.ended or ends
