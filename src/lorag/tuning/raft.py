"""Pairs that teach reading: a question with retrieved passages, as serving shows them.

The recipe is RAFT (arXiv:2403.10131): mostly the passage with the answer among others, sometimes only the others. In
some contexts the answer is replaced, so that the model trusts what it reads over what it remembers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lorag.answering.citations import spans_of
from lorag.answering.context import condense
from lorag.answering.declining import DECLINE
from lorag.answering.prompts import rag_messages
from lorag.answering.quotes import join_quote
from lorag.answering.strategies import read_passages
from lorag.digests import digest_of
from lorag.knowledge.documents import Chunk
from lorag.params import AnsweringParams, TrainingSetParams
from lorag.questions.facts import Fact
from lorag.questions.words import occurrences, states
from lorag.tuning.pairs import Pair, PairSource
from lorag.tuning.swaps import Swap, find_swap

_TRIES = 20


class SelectContext(Protocol):
    """A function that selects the chunks that fit into a prompt; chunks come best first."""

    def __call__(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Return the chosen chunks, best first."""


@dataclass(frozen=True, slots=True)
class RaftMaker:
    """A maker of pairs from a corpus: `ranked` holds the chunks that the search found for each wording, best first.

    `versions` maps document ids to document versions.
    """

    facts: Sequence[Fact]
    ranked: Mapping[str, Sequence[Chunk]]
    versions: Mapping[str, str]
    select: SelectContext
    answering: AnsweringParams
    params: TrainingSetParams

    def pairs(self) -> list[Pair]:
        """Make a pair for each training wording of each fact; a hash decides which lack or change the answer."""
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
        """Make a pair with the found chunks; the chunk with the answer is added if the search missed it."""
        chunks, passages = self._gold_context(fact, wording)
        return self._pair(fact, wording, chunks, passages, self._quoted(fact, fact.answer, chunks), "gold")

    def without_gold(self, fact: Fact, wording: str) -> Pair | None:
        """Make a pair to be declined, from chunks without the answer; None if there are no other chunks to show."""
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
        """Make a pair whose text and answer have another value instead of the true one; None if no value fits."""
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
        """Make a pair from a question that no document answers and the chunks found for it; None if none were found.

        In serving, a question without found chunks is not sent to a model.
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
            # The selection of sentences by the question's words alone dropped the answer.
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
