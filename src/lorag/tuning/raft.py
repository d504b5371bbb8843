"""Pairs that teach reading: a question with retrieved passages, as serving shows them.

The recipe of RAFT (arXiv:2403.10131): mostly the passage that holds the answer among others, sometimes only the others.
Some contexts have their answer replaced, so that what is read wins over what is remembered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lorag.answering.citations import spans_of
from lorag.answering.context import condense
from lorag.answering.prompts import rag_messages
from lorag.answering.quotes import join_quote
from lorag.answering.strategies import DECLINE, read_passages
from lorag.digests import digest_of
from lorag.knowledge.documents import Chunk
from lorag.params import AnsweringParams, TrainingSetParams
from lorag.questions.facts import Fact
from lorag.questions.words import occurrences, states
from lorag.tuning.pairs import Pair, PairSource
from lorag.tuning.swaps import Swap, find_swap

_TRIES = 20


class SelectContext(Protocol):
    """Picks of chunks, best first, those that a prompt has room for."""

    def __call__(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """The chosen ones, best first."""


@dataclass(frozen=True, slots=True)
class RaftMaker:
    """Makes pairs of a corpus: `ranked` holds the chunks that the search found for each wording, best first.

    `versions` maps document ids to document versions.
    """

    facts: Sequence[Fact]
    ranked: Mapping[str, Sequence[Chunk]]
    versions: Mapping[str, str]
    select: SelectContext
    answering: AnsweringParams
    params: TrainingSetParams

    def pairs(self) -> list[Pair]:
        """One for each training wording of each fact; which of them lack or change the answer is drawn by hash."""
        asked = [(fact, wording) for fact in self.facts for _, wording in fact.training_wordings]
        asked.sort(key=lambda each: digest_of([self.params.seed, "raft", each[0].id, each[1]]))
        n_changed = round(self.params.raft_changed_share * len(asked))
        n_without = round(self.params.raft_without_gold_share * len(asked))
        pairs: list[Pair] = []
        for fact, wording in asked:
            pair = None
            if n_changed and (pair := self.changed(fact, wording)):
                n_changed -= 1
            elif n_without and (pair := self.without_gold(fact, wording)):
                n_without -= 1
            pairs.append(pair or self.gold(fact, wording))
        return pairs

    def gold(self, fact: Fact, wording: str) -> Pair:
        """With the chunk that holds the answer among what the search found, wherever it missed it."""
        chunks, passages = self._gold_context(fact, wording)
        return self._pair(fact, wording, chunks, passages, self._quoted(fact, fact.answer, chunks), "gold")

    def without_gold(self, fact: Fact, wording: str) -> Pair | None:
        """With chunks that do not hold the answer, to be declined; None where there is nothing else to show."""
        gold = {chunk.id for chunk in fact.gold}
        others = [
            chunk
            for chunk in self.ranked[wording]
            if chunk.id not in gold and not any(states(chunk.embedded_text, answer) for answer in fact.question.answers)
        ]
        if not fact.literal or not (chunks := self.select(others)):
            return None
        passages = self._read(wording, chunks)
        return self._pair(fact, wording, chunks, passages, DECLINE, "without gold")

    def changed(self, fact: Fact, wording: str) -> Pair | None:
        """With another value in place of the answer, which is then the answer; None where no value fits."""
        if not fact.literal:
            return None
        chunks, passages = self._gold_context(fact, wording)
        text = "\n".join(passages)
        swap = find_swap(fact, self.facts, text, seed=self.params.seed)
        if swap is None:
            return None
        changed = [_replace(passage, fact.answer, swap.value) for passage in passages]
        if any(states(passage, answer) for passage in changed for answer in fact.question.answers if len(answer) > 3):
            return None
        answer = _replace(self._quoted(fact, fact.answer, chunks), fact.answer, swap.value)
        return self._pair(fact, wording, chunks, changed, answer, "changed answer", swap)

    def declined(self, question_id: str, wording: str, source: PairSource, method: str) -> Pair | None:
        """What no document answers, with what the search finds for it; None where that is nothing.

        Served, such a question is put to no model.
        """
        chunks = self.select(self.ranked[wording])
        if not chunks:
            return None
        passages = self._read(wording, chunks)
        documents = {chunk.document_id: self.versions[chunk.document_id] for chunk in chunks}
        messages = tuple(rag_messages(wording, passages))
        return Pair(source, messages, DECLINE, question_id, documents, tuple(chunk.id for chunk in chunks), method)

    def _gold_context(self, fact: Fact, wording: str) -> tuple[list[Chunk], list[str]]:
        found = list(self.ranked[wording])
        chunks = self.select(found)
        gold = {chunk.id for chunk in fact.gold}
        if not any(chunk.id in gold for chunk in chunks):
            best = next((chunk for chunk in found if chunk.id in gold), fact.gold[0])
            place = int(digest_of([self.params.seed, "place", fact.id, wording])[:8], 16) % max(1, len(chunks))
            chunks = [*chunks[:place], best, *chunks[place:-1]]
        passages = self._read(wording, chunks)
        if fact.literal and not any(states(passage, fact.answer) for passage in passages):
            # Shortening by the question's words alone dropped it.
            most = self.answering.context_sentences or len(chunks)
            passages = [passage.text for passage in condense(f"{wording} {fact.answer}", chunks, most)]
            if not any(states(passage, fact.answer) for passage in passages):
                passages = [*passages[:-1], next(chunk for chunk in chunks if chunk.id in gold).embedded_text]
        return chunks, passages

    def _read(self, wording: str, chunks: Sequence[Chunk]) -> list[str]:
        return [passage.text for passage in read_passages(wording, chunks, self.answering)]

    def _quoted(self, fact: Fact, answer: str, chunks: Sequence[Chunk]) -> str:
        if not self.params.raft_quote or not fact.literal:
            return answer
        gold = {chunk.id for chunk in fact.gold}
        quotes = (
            " ".join(chunk.text[start:end].split())
            for chunk in chunks
            if chunk.id in gold
            for start, end in spans_of(chunk.text)
            if states(chunk.text[start:end], answer)
        )
        quote = next(quotes, None)
        return answer if quote is None else join_quote(answer, quote)

    def _pair(
        self,
        fact: Fact,
        wording: str,
        chunks: Sequence[Chunk],
        passages: Sequence[str],
        answer: str,
        method: str,
        swap: Swap | None = None,
    ) -> Pair:
        documents = {chunk.document_id: self.versions[chunk.document_id] for chunk in chunks} | dict(fact.documents)
        if swap is not None:
            documents |= dict(swap.documents)
        messages = tuple(rag_messages(wording, passages))
        return Pair(PairSource.RAFT, messages, answer, fact.id, documents, tuple(chunk.id for chunk in chunks), method)


def _replace(text: str, old: str, new: str) -> str:
    position, parts = 0, []
    for start, end in occurrences(text, old):
        parts += [text[position:start], new]
        position = end
    return "".join([*parts, text[position:]])
