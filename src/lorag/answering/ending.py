"""The end of an answer: where the model has to stop writing, and what of its text is shown."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from lorag.answering.generator import Generation
from lorag.questions.words import normalise

_LABEL = r"[#*_]{0,4}(?:Question|Text|Answer|Context|Passage|Instruction|User|Assistant|System|Q|A)\s?\d{0,2}[*_]{0,2}:"
_NEXT_TURN = re.compile(rf"\n[ \t]{{0,4}}{_LABEL}|(?<=[.!?])[ \t][#*_]{{0,4}}(?:Question|Answer)[*_]{{0,2}}:")
_TURN_BEGINS = re.compile(r"\n|(?<=[.!?])[ \t]")
_LONGEST_LABEL = len("\n    ####Instruction 12__:")
_ANNOUNCED = ("Answer:", "The answer is:", *(f"The answer to {one} question is:" for one in ("this", "the", "your")))
"""What a model writes in front of an answer, which says as much without it."""

_ECHO = re.compile(
    r"\s*(?:[#*_]{0,4}Question[*_]{0,2}:[^\n]*(?:\n\s*|$))?"
    rf"(?:[#*_]{{0,4}}(?:{'|'.join(each.removesuffix(':') for each in _ANNOUNCED)})[*_]{{0,2}}:[*_]{{0,2}}\s*)?"
)

_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
_ITEM = re.compile(r"[ \t]*(?:[-*+\u2022]|\(?(?:\d{1,3}|[A-Za-z])[.)])[ \t]+")
_SENTENCE_END = re.compile(
    r"(?<=[.!?\u2026])[\"'\u201d\u2019)\]]{0,3}(?=[ \t]+[^\sa-z])|(?<=[\u3002\uff01\uff1f])(?=\S)"
)
_WHOLE = re.compile(r"[.!?\u2026\u3002\uff01\uff1f][\"'\u201d\u2019)\]*_`]{0,4}\s*$")
_WORD = re.compile(r"\S+")
_LETTER = re.compile(r"[^\W\d_]")
_LAST_WORD = re.compile(r"(?<=\S)[,;]?\s+\S+\s*$")

_SHORT_SENTENCE = 2
"""The most words of a sentence that may come again, as "Yes." and "None." do in a list, but not three times."""

_LONGEST_PHRASE = 24
"""The most words of a phrase whose repetition is seen inside a sentence."""


@dataclass(frozen=True, slots=True)
class AnswerEnding:
    """The rule that an answer ends before another question or text begins, and once it repeats itself.

    A repeated sentence or phrase is still in the text when the rule ends it; `finish_text` removes it.
    """

    def settled(self, text: str) -> int:
        """See `StopRule`."""
        begun = _TURN_BEGINS.search(text, max(0, len(text) - _LONGEST_LABEL))
        return begun.start() if begun else len(text)

    def find_end(self, text: str) -> int | None:
        """See `StopRule`."""
        start = _echo_end(text)
        if start is None:
            return None
        end = _next_turn(text, start)
        return len(text) if end is None and _scan(text[start:]).repeats else end


ANSWER_ENDING = AnswerEnding()
"""The rule for all that is shown as an answer."""


def is_cut_off(written: Generation, max_new_tokens: int) -> bool:
    """Whether the limit of tokens ended the text."""
    return written.generated_tokens >= max_new_tokens


def finish_text(text: str, *, cut_off: bool, contexts: Iterable[str] = ()) -> str:
    """Return what is shown of a text that a model wrote under `ANSWER_ENDING`.

    An echo of the question, words that announce the answer, a further question and all from the first repetition on are
    removed.
    With `cut_off`, so is half a sentence behind a whole one, or else the last word. Of a block of code that is cut off,
    the last line is removed, and the block is closed. `contexts` are the heading paths that the model read: one in
    front of the answer is removed, one inside a sentence is replaced by its last heading.
    """
    start = _ECHO.match(text).end()  # type: ignore[union-attr]  # it matches the empty text too
    text = _without_heading_paths(text[start : _next_turn(text, start)], contexts)
    found = _scan(text, ended=True)
    if found.in_code and cut_off:
        return (text[: found.whole] + _close_code(text[found.whole :])).strip()
    if found.repeats:
        return text[: found.whole or found.kept].strip()
    if cut_off and not _WHOLE.search(text):
        return (text[: found.whole] or _LAST_WORD.sub("", text)).strip()
    return text.strip()


class StableText:
    """A filter for text that comes in pieces: its joined output is `finish_text`, without `contexts`.

    What is passed on stays, whatever is written behind it: the words of the first sentence, except those that may begin
    a repetition, and then each sentence, list item or block of code when it is whole. `finish` passes on the rest.
    """

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._text = ""
        self._shown = ""

    def feed(self, piece: str) -> None:
        """Take the next piece."""
        self._text += piece
        start = _echo_end(self._text)
        if start is not None:
            text = self._text[start : _next_turn(self._text, start)]
            found = _scan(text)
            # Once a sentence is whole, the limit of tokens may take away half of the next one.
            in_first = not (found.whole or found.repeats or found.in_code)
            self._show(_stable_words(text) if in_first else text[: found.whole].strip())

    def finish(self, *, cut_off: bool) -> None:
        """Pass on the rest."""
        self._show(finish_text(self._text, cut_off=cut_off))

    def _show(self, text: str) -> None:
        if len(text) > len(self._shown):
            self._emit(text[len(self._shown) :])
            self._shown = text


@dataclass(frozen=True, slots=True)
class _Scan:
    """The length of a text up to its first repetition, and up to the last whole unit before it."""

    repeats: bool
    kept: int
    whole: int
    in_code: bool = False


def _scan(text: str, *, ended: bool = False) -> _Scan:
    """Scan a text; with `ended` nothing more comes, so the last sentence may be a repetition as it is."""
    seen: set[str] = set()
    short: Counter[str] = Counter()
    whole = 0
    for start, end, is_whole, is_code in _units(text):
        if is_code and not is_whole:
            return _Scan(False, len(text), whole, in_code=True)
        if not is_code:
            loop = _loop_start(text[start:end] if is_whole else text[start:], ended=ended or is_whole)
            if loop is not None:
                return _Scan(True, start + loop, whole)
            said = normalise(text[start:end])
            short = Counter({said: short[said] + 1}) if len(said.split()) <= _SHORT_SENTENCE else Counter()
            if (is_whole or ended) and (said in seen or short[said] > _SHORT_SENTENCE):
                return _Scan(True, start, whole)
            if not short:
                seen.add(said)
        whole = end if is_whole else whole
    return _Scan(False, len(text), whole)


def _units(text: str) -> Iterator[tuple[int, int, bool, bool]]:
    """Yield start and end of each sentence, list item and block of code, whether it is whole, and whether it is code.

    What is whole stays whole and in its place, whatever is written behind it.
    """
    lines = text.splitlines(keepends=True)
    code: int | None = None
    for line, begin in zip(lines, accumulate(map(len, lines), initial=0), strict=False):
        ended = line.endswith("\n")
        if _FENCE.match(line):
            if code is None:
                code = begin
            elif ended:
                yield code, begin + len(line.rstrip()), True, True
                code = None
        elif code is None:
            item = _ITEM.match(line)
            cuts = [match.end() for match in _SENTENCE_END.finditer(line, item.end() if item else 0)]
            for left, right in zip([0, *cuts], [*cuts, len(line.rstrip("\n"))], strict=True):
                if line[left:right].strip():
                    yield begin + left, begin + right, right in cuts or ended, False
    if code is not None:
        # The last line may be the closing fence, without a line break behind it.
        closed = bool(_FENCE.match(lines[-1])) and code + len(lines[-1]) < len(text)
        yield code, len(text), closed, True


def _loop_start(sentence: str, *, ended: bool) -> int | None:
    """Return the length up to the end of a phrase that is repeated right behind itself; None if none is.

    A single word has to come four times, a phrase of two to five words three times, a longer one twice. A phrase
    without a letter is none: `0 * * * *` is a schedule.
    """
    places = [match.span() for match in _WORD.finditer(sentence)]
    words = [sentence[start:end].casefold().strip(",;") for start, end in places]
    for size in range(1, min(_LONGEST_PHRASE, len(words) - 1) + 1):
        needed = size * (3 if size == 1 else 2 if size <= 5 else 1)
        run = 0
        for at in range(size, len(words)):
            run = run + 1 if words[at] == words[at - size] else 0
            # A last word without anything behind it may still grow.
            if (
                run == needed
                and (ended or places[at][1] < len(sentence))
                and _LETTER.search(" ".join(words[at - size : at]))
            ):
                return places[at - run][1]
    return None


def _stable_words(sentence: str) -> str:
    """Return the start of an unfinished sentence that stays, whatever follows: without the last word and repetitions.

    A sign such as a comma belongs to the word behind it. What may become a fence of code has no such start.
    """
    if sentence.startswith(("`", "~")):
        return ""
    places = [match.span() for match in _WORD.finditer(sentence)]
    words = [sentence[start:end].casefold().strip(",;") for start, end in places[:-1]]
    again = 0
    for size in range(1, min(_LONGEST_PHRASE, len(words) - 1) + 1):
        run = next((back for back in range(len(words) - size) if words[-1 - back] != words[-1 - back - size]), None)
        again = max(again, len(words) - size if run is None else run)
    kept = places[max(0, len(words) - 1 - again)][1] if places else 0
    return sentence[:kept].rstrip(",;")


def _next_turn(text: str, start: int) -> int | None:
    """Return where another question or text begins behind `start`, outside of code."""
    for found in _NEXT_TURN.finditer(text, start):
        if sum(bool(_FENCE.match(line)) for line in text[start : found.start()].splitlines()) % 2 == 0:
            return found.start()
    return None


def _echo_end(text: str) -> int | None:
    """Return where the answer starts behind an echo of the question and what announces it; None before it starts."""
    echo = _ECHO.match(text)
    if echo is None or echo.end() == len(text):
        return None
    rest = text[echo.end() :].lstrip("#*_")
    # The word may still become complete.
    return None if any(label.startswith(rest) for label in ("Question:", *_ANNOUNCED)) else echo.end()


def _close_code(code: str) -> str:
    """Return a block of code that was cut off without its last, half line; nothing if no line is whole."""
    before, fence, inner = re.split(r"(^[ \t]*(?:```|~~~).*\n?)", code, maxsplit=1, flags=re.MULTILINE)
    lines = inner[: inner.rfind("\n") + 1]
    return f"{before}{fence}{lines}```" if lines else ""


def _without_heading_paths(text: str, contexts: Iterable[str]) -> str:
    for context in sorted(set(contexts), key=len, reverse=True):
        last = context.rpartition(" > ")[2]
        behind = text.removeprefix(context)
        if behind != text and (rest := re.fullmatch(r"(?:\s*[:\u2013-]\s+|\s*\n\s*)(\S.*)", behind, re.DOTALL)):
            text = rest[1]
        elif context != last:
            text = text.replace(context, last)
    return text
