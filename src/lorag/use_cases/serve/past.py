"""Questions about the past, answered from the release that a question speaks of."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from lorag.answering.past_question import Asks, PastQuestion, read_past, says_when, speaks_of
from lorag.answering.points import Generation, Label, Point
from lorag.answering.sentence_choice import choose_quote, rank_sentences
from lorag.answering.sentence_features import ChosenSentence
from lorag.answering.strategies import Answer, AnswerKind, Reason
from lorag.answering.words import content_words, numbers
from lorag.errors import LoragError
from lorag.integrations.git_repo import tagged_at
from lorag.params import Params
from lorag.questions.questions import compose
from lorag.releases.past import entry_of, first_known, newest_before
from lorag.releases.record import Release
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.index.store import Filter, Hit
from lorag.strategies import Strategy
from lorag.use_cases.serve.auto import Remembering
from lorag.use_cases.serve.serve import Served, open_beside, search_served
from lorag.workspace import Workspace

ReadableThen = Callable[[Served], Filter]
"""A function that returns what the asker may read of an earlier release."""


@dataclass(frozen=True, slots=True)
class Past:
    """The past that an answer is from, or that its words reach back to.

    `release` is the one that answered; None if no retained release reaches back. `generation` and `utc` are its number
    and when it was made. For `Asks.SINCE` they are those since which the words are there, and `at_least` says that they
    may be older, because no retained release is without them. `oldest` is the oldest release that can be asked.
    """

    asked: PastQuestion
    oldest: Release
    release: Release | None = None
    generation: int | None = None
    utc: str | None = None
    at_least: bool = False

    @property
    def says(self) -> str:
        """One sentence on the release that answered."""
        if self.generation is None or self.utc is None:
            kept = f"the oldest that can be asked is release {self.oldest.generation} of {self.oldest.created_utc[:10]}"
            lacks = "has another answer" if self.asked.asks is Asks.CHANGED else "reaches back so far"
            return f"No retained release {lacks} ({self.asked.phrase}): {kept}."
        place = f"release {self.generation} of {self.utc[:10]}"
        if self.asked.asks is Asks.SINCE:
            return f"These words are there since {'at least ' if self.at_least else ''}{place}."
        return f"From the past ({self.asked.phrase}): {place} answers."

    def to_json(self) -> dict[str, Any]:
        """Return the object `past` of an answer."""
        return {
            "asks": self.asked.asks,
            "phrase": self.asked.phrase,
            "question": self.asked.question,
            "generation": self.generation,
            "created_utc": self.utc,
            "at_least": self.at_least,
            "oldest": self.oldest.generation,
            "says": self.says,
        }


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is asked of which release; of an ordinary question all of it is as it was asked.

    `past` is None for an ordinary question, and for one that asks since when: its `look_back` finds it in the answer.
    `declined` is the answer if no release can give one.
    """

    question: str
    served: Served
    where: Filter
    past: Past | None = None
    declined: Answer | None = None
    look_back: Callable[[Answer], Past | None] | None = None

    @property
    def is_ordinary(self) -> bool:
        """Whether the question is not about the past."""
        return self.past is None and self.look_back is None

    def settle(self, answer: Answer) -> Past | None:
        """Return what the answer says about the past; None for an ordinary question."""
        return self.look_back(answer) if self.look_back else self.past


@contextmanager
def recall(
    question: str,
    strategy: Strategy,
    served: Served,
    workspace: Workspace,
    params: Params,
    where: Filter,
    readable_then: ReadableThen | None,
) -> Iterator[Recalled]:
    """Yield what to ask of which release, which is open meanwhile.

    A question without a phrase about the past is ordinary, and nothing is looked for. So is every question without
    `readable_then`, by a strategy that reads nothing, and if `asking.past` is false.
    """
    now = datetime.now(UTC)
    ordinary = Recalled(question, served, where)
    if readable_then is None or not params.asking.past or not strategy.profile.reads:
        yield ordinary
    elif (asked := read_past(question, now)) is None:
        yield ordinary
    else:
        with ExitStack() as held:
            looking = _Looking(question, served, workspace, params, where, readable_then, now, held)
            yield looking.recall(asked) or ordinary


@dataclass
class _Looking:
    """The search for the release that a question about the past speaks of."""

    question: str
    before: Served
    workspace: Workspace
    params: Params
    where: Filter
    readable_then: ReadableThen
    now: datetime
    held: ExitStack
    served: Served = field(init=False)
    opened: dict[str, Served] = field(init=False)

    def __post_init__(self) -> None:
        # Most sentences are in several releases.
        embed = Remembering(self.before.searcher.embed)
        self.served = replace(self.before, searcher=replace(self.before.searcher, embed=embed))
        self.opened = {self.served.release.id: self.served}

    @cached_property
    def releases(self) -> Sequence[Release]:
        """The served release and those before it that can be asked beside it, newest first."""
        now = self.served.release
        older = [each for each in ReleaseShelf(self.workspace.state).releases() if each.generation < now.generation]
        same = [each for each in older if each.embedder_fingerprint == now.embedder_fingerprint]
        return [now, *(each for each in same if each.index.store == now.index.store)]

    def recall(self, asked: PastQuestion) -> Recalled | None:
        """Return what to ask of which release; None if the question is an ordinary one."""
        best, _ = self._best(self.question, self.served, self.where)
        # What the documents of today say about that time is theirs to tell.
        if asked.asks is Asks.SINCE:
            if best and says_when(best.text):
                return None
            return Recalled(asked.question, self.served, self.where, look_back=lambda said: self._since(asked, said))
        if best and speaks_of(f"{best.chunk.context}\n{best.text}", asked):
            return None
        return self._changed(asked) if asked.point is None else self._pointed(asked, asked.point)

    def _pointed(self, asked: PastQuestion, point: Point) -> Recalled | None:
        """Look for the release that was served at the point, or before it."""
        is_before = asked.asks is Asks.BEFORE
        if isinstance(point, Generation):
            if not 0 < point.number <= self.served.release.generation:
                return None
            fits = (each for each in self.releases if each.generation < point.number + (not is_before))
            found = next(fits, None)
            return self._from(asked, found if is_before or found and found.generation == point.number else None)
        if isinstance(point, Label):
            end, is_near = self._tagged_at(point), False
        else:
            end, is_near = point.start if is_before else point.end, point.is_near
        # Only documents can tell about the present, or about a time before there were releases.
        if end is None or end > self.now:
            return None
        if not is_near and end <= first_known(self.releases):
            return None
        return self._from(asked, newest_before(self.releases, end))

    def _tagged_at(self, label: Label) -> datetime | None:
        source = self.params.knowledge.origin or self.params.knowledge.source
        bare = label.name.lstrip("vV")
        return tagged_at([self.workspace.root, self.workspace.resolve(source)], [bare, f"v{bare}"])

    def _changed(self, asked: PastQuestion) -> Recalled | None:
        """Look for the newest release whose best sentence, of the same page, says something else."""
        best, _ = self._best(asked.question, self.served, self.where)
        # A release that cannot be opened ends the search.
        with suppress(LoragError):
            for release in self._with_another_page(best) if best else ():
                then = self._open(release)
                other, hits = self._best(asked.question, then, self.readable_then(then))
                if best and other and not _is_in(hits, best.text) and _is_other(best, other):
                    return self._from(asked, release)
        return self._from(asked, None) if asked.insists else None

    def _with_another_page(self, best: ChosenSentence) -> Iterator[Release]:
        page = best.chunk.document_id
        version = self.served.release.documents[page].version
        return (each for each in self.releases[1:] if entry_of(each, page, version) is None)

    def _since(self, asked: PastQuestion, answer: Answer) -> Past | None:
        """Look for the oldest release since which the first quote of the answer is there without a gap."""
        told = " ".join(f"{each.heading} {each.quote}" for each in answer.citations)
        # A question about a value that does not hold now has no answer.
        if not answer.citations or not numbers(asked.question) <= numbers(told):
            return None
        cited = answer.citations[0]
        oldest, at_least = self.served.release, True
        with suppress(LoragError):
            for release in self.releases[1:]:
                if entry_of(release, cited.document_id, cited.document_version) is None:
                    then = self._open(release)
                    _, hits = self._best(asked.question, then, self.readable_then(then))
                    if not _is_in(hits, cited.quote):
                        at_least = False
                        break
                oldest = release
        # The page may have been so for longer than releases are retained.
        entry = oldest.documents.get(cited.document_id)
        generation, utc = oldest.generation, oldest.created_utc
        if entry and entry.generation and entry.since_utc:
            generation, utc = entry.generation, entry.since_utc
        return Past(asked, self.releases[-1], self.served.release, generation, utc, at_least)

    def _from(self, asked: PastQuestion, release: Release | None) -> Recalled:
        """Return the question to a release; to none, the answer that says so."""
        past = Past(asked, self.releases[-1])
        if release is None:
            declined = Answer(
                past.says, (), False, True, (), 0, 0, kind=AnswerKind.DECLINED, reason=Reason.NOT_RETAINED
            )
            return Recalled(asked.question, self.served, self.where, past, declined)
        then = self._open(release)
        past = replace(past, release=then.release, generation=release.generation, utc=release.created_utc)
        return Recalled(asked.question, then, self.readable_then(then), past)

    def _open(self, release: Release) -> Served:
        if release.id not in self.opened:
            self.opened[release.id] = self.held.enter_context(open_beside(self.served, release.id, self.workspace))
        return self.opened[release.id]

    def _best(self, question: str, served: Served, where: Filter) -> tuple[ChosenSentence | None, Sequence[Hit]]:
        """Return the sentence that answers best without a model, None if none does, and the relevant chunks."""
        found = search_served(question, served, self.params, where=where)
        hits = found.relevant(self.params.search.min_similarity)
        chunks = [hit.chunk for hit in hits[: self.params.answering.context_chunks]]
        ranked = rank_sentences(compose(question), chunks, served.searcher.embed) if chunks else []
        quotes = choose_quote(compose(question), ranked)
        return max(quotes, key=lambda quote: quote.score, default=None), hits


def _is_in(hits: Sequence[Hit], text: str) -> bool:
    """Whether a chunk, or a value of its page's front matter, has this text."""
    fields = (f"{name}: {value}" for hit in hits for name, value in hit.chunk.metadata.items())
    return any(text in hit.chunk.text for hit in hits) or text in fields


def _is_other(now: ChosenSentence, then: ChosenSentence) -> bool:
    """Whether a sentence of the same page says something else."""
    return now.chunk.document_id == then.chunk.document_id and content_words(now.text) != content_words(then.text)
