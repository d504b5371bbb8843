"""The way from a sentence to a draft: form or model, then the checks by text, by search and by the reader."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lorag.answering.ending import ANSWER_ENDING
from lorag.answering.generator import NEVER, Generation, LanguageModel, Message, StopRule
from lorag.answering.strategies import Answer, assemble_answer, make_prompt, nothing_found
from lorag.drafting.candidates import Candidate
from lorag.drafting.checks import (
    DropReason,
    Knowledge,
    answers,
    check_wording,
    finds,
    gist,
    is_repeated,
    keeps_names,
    keeps_words,
)
from lorag.drafting.forms import propose_by_form
from lorag.drafting.prompts import QUESTION_TOKENS, ask_for_question, ask_for_rewordings, proposal_of, read_question
from lorag.drafting.proposal import Proposal
from lorag.drafting.records import Draft, Origin
from lorag.params import Params
from lorag.questions.words import normalise
from lorag.retrieval.index.store import Hit
from lorag.strategies import READER
from lorag.use_cases.serve.serve import Served, search_served

_MOST_WORDINGS = 4
"""Half of them to train on, half held out: the first held-out one decides when training stops."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A question that the search finds its passage for, with the hits."""

    candidate: Candidate
    proposal: Proposal
    origin: Origin
    hits: Sequence[Hit]


@dataclass(slots=True)
class Drafter:
    """What drafts are made with: a release, a model, all chunks, and the questions that exist already.

    `known` are the wordings that are asked, as `is_repeated` compares them, and `used` the chunks and sentences of
    drafts: one fact is enough of each. `ordinary` are the words of `propose_by_form`.
    """

    served: Served
    model: LanguageModel
    params: Params
    knowledge: Knowledge
    changed: frozenset[str]
    known: set[str]
    used: set[tuple[str, str]]
    ordinary: frozenset[str]
    prompt_tokens: int = 0
    generated_tokens: int = 0

    def draft(self, candidates: Sequence[Candidate], origin: Origin) -> Iterator[tuple[Candidate, Draft | DropReason]]:
        """Yield for each candidate a draft, or the reason why there is none; the model works on all in one batch."""
        reasons = {each.id: DropReason.COMMON_VALUE for each in candidates if self.knowledge.is_common(each)}
        wanted = [each for each in candidates if each.id not in reasons]
        chosen: list[_Chosen] = []
        for candidate, proposals in zip(wanted, self._propose(wanted, origin), strict=True):
            result = self._choose(candidate, proposals, origin)
            if isinstance(result, _Chosen):
                chosen.append(result)
            else:
                reasons[candidate.id] = result
        read = self._read([(each.proposal.question, each.hits) for each in chosen])
        kept = [
            (each, answer)
            for each, answer in zip(chosen, read, strict=True)
            if answers(answer, each.candidate, in_own_words=origin is Origin.MODEL)
        ]
        drafts = dict(self._word(kept))
        for candidate in candidates:
            yield candidate, drafts.get(candidate.id, reasons.get(candidate.id, DropReason.NOT_ANSWERED))

    def _propose(self, candidates: Sequence[Candidate], origin: Origin) -> list[list[Proposal]]:
        if origin is Origin.FORM:
            return [propose_by_form(each, self.ordinary) for each in candidates]
        written = self._generate([ask_for_question(each) for each in candidates], QUESTION_TOKENS)
        offered = [proposal_of(text, each) for each, text in zip(candidates, written, strict=True)]
        return [[proposal] if proposal else [] for proposal in offered]

    def _choose(self, candidate: Candidate, proposals: Sequence[Proposal], origin: Origin) -> _Chosen | DropReason:
        """Return the first proposal that passes the checks without the model, else the last check that one reached."""
        place = (candidate.chunk.id, candidate.sentence)
        if place in self.used:
            return DropReason.REPEATED
        reached = DropReason.NO_QUESTION
        for proposal in proposals:
            result = self._check(proposal.question, candidate)
            if not isinstance(result, DropReason):
                self.used.add(place)
                self.known.add(gist(proposal.question, _title(candidate)))
                return _Chosen(candidate, proposal, origin, result)
            reached = max(reached, result, key=list(DropReason).index)
        return reached

    def _check(self, question: str, candidate: Candidate) -> Sequence[Hit] | DropReason:
        if reason := check_wording(question, candidate):
            return reason
        if is_repeated(question, _title(candidate), self.known):
            return DropReason.REPEATED
        if self.knowledge.answers_elsewhere(question, candidate):
            return DropReason.NOT_UNIQUE
        hits = self._search(question)
        return hits if finds(hits, candidate) else DropReason.NOT_FOUND

    def _word(self, kept: Sequence[tuple[_Chosen, Answer]]) -> Iterator[tuple[str, Draft]]:
        """Yield the drafts by candidate, each with those of its wordings that are found and answered."""
        offered: dict[str, list[tuple[str, Sequence[Hit]]]] = {}
        for each, _ in kept:
            offered[each.candidate.id] = self._usable(each.proposal.wordings, each, [])
        lacking = [each for each, _ in kept if len(offered[each.candidate.id]) < _MOST_WORDINGS]
        asked = [(each, ask) for each in lacking for ask in ask_for_rewordings(each.proposal.question)]
        written = self._generate([ask for _, ask in asked], QUESTION_TOKENS)
        for (each, _), text in zip(asked, written, strict=True):
            own = offered[each.candidate.id]
            question = read_question(text)
            if question and keeps_words(question, each.proposal.question):
                own += self._usable([question], each, [wording for wording, _ in own])
        read = iter(self._read([pair for each, _ in kept for pair in offered[each.candidate.id]]))
        for each, answer in kept:
            good = [text for text, _ in offered[each.candidate.id] if answers(next(read), each.candidate)]
            yield each.candidate.id, self._draft(each, answer, good)

    def _usable(self, texts: Sequence[str], chosen: _Chosen, before: Sequence[str]) -> list[tuple[str, Sequence[Hit]]]:
        """Return the new ones of these wordings that pass the checks without the model, with their hits."""
        seen = {normalise(text) for text in (chosen.proposal.question, *before)}
        found = []
        for text in texts[: _MOST_WORDINGS - len(before)]:
            if normalise(text) in seen or check_wording(text, chosen.candidate):
                continue
            hits = self._search(text)
            if keeps_names(text, chosen.proposal.question) and finds(hits, chosen.candidate):
                seen.add(normalise(text))
                found.append((text, hits))
        return found

    def _draft(self, chosen: _Chosen, answer: Answer, wordings: Sequence[str]) -> Draft:
        candidate = chosen.candidate
        return Draft(
            id=candidate.id,
            question=chosen.proposal.question,
            answers=(candidate.value.text,),
            gold_doc_ids=(candidate.chunk.document_id,),
            phrasings=tuple(wordings[::2]),
            held_out_phrasings=tuple(wordings[1::2]),
            origin=chosen.origin,
            value_kind=candidate.value.kind.value,
            sentence=candidate.sentence,
            passage=candidate.chunk.text,
            headings=candidate.chunk.context,
            chunk_id=candidate.chunk.id,
            changed=candidate.chunk.id in self.changed,
            rank=1 + [hit.chunk.id for hit in chosen.hits].index(candidate.chunk.id),
            answered_by=answer.kind.value,
            model=self.params.generation.model,
            release=self.served.release.id,
        )

    def _search(self, question: str) -> Sequence[Hit]:
        found = search_served(question, self.served, self.params, generator=self.model)
        return found.relevant(self.params.search.min_similarity)

    def _read(self, asked: Sequence[tuple[str, Sequence[Hit]]]) -> list[Answer]:
        """Return the answer of the strategy that reads to each question, from its hits, as `lorag ask` gives it."""
        params = self.params
        prompts = [
            make_prompt(question, READER, [hit.chunk for hit in hits], self.model, params.answering, params.generation)
            for question, hits in asked
        ]
        limit = params.generation.max_new_tokens
        written = iter(self._generations([p.messages for p in prompts if p.messages], limit, ANSWER_ENDING))
        versions = {key: entry.version for key, entry in self.served.release.documents.items()}
        return [
            assemble_answer(
                prompt, next(written), versions, params.answering, params.generation, self.served.searcher.embed
            )
            if prompt.messages
            else nothing_found()
            for prompt in prompts
        ]

    def _generate(self, conversations: Sequence[Sequence[Message]], limit: int) -> list[str]:
        return [each.text for each in self._generations(conversations, limit, NEVER)]

    def _generations(self, conversations: Sequence[Sequence[Message]], limit: int, stop: StopRule) -> list[Generation]:
        if not conversations:
            return []
        made = self.model.generate_batch(conversations, max_new_tokens=limit, stop=stop)
        self.prompt_tokens += sum(each.prompt_tokens for each in made)
        self.generated_tokens += sum(each.generated_tokens for each in made)
        return made


def _title(candidate: Candidate) -> str:
    return candidate.chunk.context.split(" > ")[0]
