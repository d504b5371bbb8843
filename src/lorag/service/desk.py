"""What every door of the service does: answer, search, show a document, say what changed, for one caller."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from lorag.answering.generator import Message
from lorag.answering.stand_alone import stand_alone
from lorag.errors import LoragError, NotAllowed, NothingServed
from lorag.integrations.models.generators import open_generator
from lorag.params import RetrieverKind
from lorag.releases.record import Release
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.index.store import Hit, IndexStore
from lorag.service.metrics import Metrics
from lorag.service.work import Watch, WatchedModel
from lorag.strategies import READER, AdapterKind, Strategy
from lorag.use_cases.serve.access import Access, readable_documents, refuse_adapter
from lorag.use_cases.serve.answer import AnswerResult, SearchOutcome, answer_with, search_with
from lorag.use_cases.serve.live import Live, LiveRelease
from lorag.use_cases.serve.query_log import Passage, Query, QueryLog, utc_now
from lorag.use_cases.serve.read_document import DocumentTexts, DocumentView, view_document
from lorag.use_cases.serve.request import refuse_empty
from lorag.use_cases.serve.serve import open_served
from lorag.use_cases.serve.what_changed import Change, what_changed
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what was said before it, oldest first; `max_new_tokens` can only lower that of params."""

    question: str
    strategy: Strategy
    door: str
    where: Mapping[str, str] = field(default_factory=dict)
    as_of: str | None = None
    before: tuple[Message, ...] = ()
    max_new_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """An answer with its id and the chunks that were found for it; `limit` is how many tokens the model could write."""

    id: str
    result: AnswerResult
    hits: tuple[Hit, ...]
    release: Release
    asked_as: str
    seconds: float
    limit: int

    @property
    def citations(self) -> list[dict[str, Any]]:
        """The citations as plain values, with the page's title, the headings above the quote, and the chunk's score."""
        found = {hit.chunk.id: hit for hit in self.hits}
        cited = []
        for number, citation in enumerate(self.result.to_json()["citations"], start=1):
            hit = found.get(citation["chunk_id"])
            entry = self.release.documents.get(citation["document_id"])
            more = {"title": entry.title if entry else None, "heading": hit.chunk.context if hit else None}
            cited.append({"number": number, **more, "score": hit.score if hit else None} | citation)
        return cited

    def to_json(self) -> dict[str, Any]:
        """Return the object of /v1/answers: that of `lorag ask --json`, with an id, seconds and richer citations."""
        more = {"id": self.id, "seconds": self.seconds, "asked_as": self.asked_as}
        return more | self.result.to_json() | {"citations": self.citations}


@dataclass(slots=True)
class Desk:
    """The released knowledge of a workspace for callers; its methods block, and threads may share it."""

    workspace: Workspace
    environment: Mapping[str, str]
    live: LiveRelease
    log: QueryLog
    metrics: Metrics
    _texts: DocumentTexts = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _readable: set[tuple[str, str, Access]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._texts = DocumentTexts(self.workspace.documents_file)

    def answer(
        self, asked: Asked, access: Access, watch: Watch, on_text: Callable[[str], None] = lambda piece: None
    ) -> Given:
        """Answer from exactly one release; raises NotAllowed if the strategy's adapter saw more than that."""
        refuse_empty(asked.question, "question")
        began = time.perf_counter()
        hits: list[Hit] = []
        with self._open(asked.strategy.profile.adapter, asked.as_of, access) as live:
            params = live.params
            limit = min(asked.max_new_tokens or params.generation.max_new_tokens, params.generation.max_new_tokens)
            generation = params.generation.model_copy(update={"max_new_tokens": limit})
            model = WatchedModel(live.model, watch)
            question = stand_alone(asked.question, asked.before, model)
            watch.check()
            result = answer_with(
                question,
                asked.strategy,
                live.served,
                model,
                self.workspace,
                params.model_copy(update={"generation": generation}),
                where=access.narrow(asked.where),
                on_text=on_text,
                on_hits=hits.extend,
            )
            release = live.served.release
        seconds = time.perf_counter() - began
        given = Given(f"ans_{uuid4().hex}", result, tuple(hits), release, question, seconds, limit)
        query = _query_of(given, asked, access)
        self.log.add(query)
        self.metrics.count_answer(query)
        return given

    def search(
        self,
        query: str,
        access: Access,
        *,
        top_k: int | None = None,
        retriever: RetrieverKind | None = None,
        where: Mapping[str, str] | None = None,
        documents: Sequence[str] = (),
        as_of: str | None = None,
    ) -> SearchOutcome:
        """Return the chunks that the caller may read and that answer best."""
        refuse_empty(query, "query")
        with self._open(None, as_of, access) as live:
            return search_with(
                query,
                live.served,
                live.model,
                live.params,
                top_k=top_k,
                retriever=retriever,
                where=access.narrow(where, documents),
            )

    def document(self, document_id: str, access: Access) -> DocumentView:
        """Return a document of the served release; raises NotThere where there is none that the caller may read."""
        with self._open(None, None, access) as live:
            served = live.served
            return view_document(document_id, served.release, served.searcher.store, self._texts, access)

    def what_changed(self, access: Access, since: str | None = None) -> Change:
        """Return the documents that changed up to the served release, among those that the caller may read."""
        with self._open(None, None, access) as live:
            served = live.served

            def readable(who: Access, release: Release) -> frozenset[str]:
                return readable_documents(who, release, served.searcher.store)

            return what_changed(ReleaseShelf(self.workspace.state), served.release, access, readable, since)

    def releases(self, access: Access) -> dict[str, Any]:
        """Return the retained releases, newest first; sizes only for a caller who may read everything."""
        shelf = ReleaseShelf(self.workspace.state)
        served = shelf.served_id()
        listed = []
        for release in shelf.releases():
            entry = {"id": release.id, "generation": release.generation, "created_utc": release.created_utc}
            entry |= {"served": release.id == served, "adapters": sorted(kind.value for kind in release.adapters)}
            if access.reads_all:
                entry |= {"n_documents": len(release.documents), "n_chunks": release.n_chunks}
            listed.append(entry)
        return {"served": served, "releases": listed}

    def why_not(self, strategy: Strategy, access: Access) -> str | None:
        """Return why a strategy cannot answer this caller now; None if it can."""
        kind = strategy.profile.adapter
        try:
            with self._open(None, None, access) as live:
                if kind and kind not in live.served.release.adapters:
                    return f"the release has no {kind} adapter; run `lorag retrain --adapter {kind}`"
                self._refuse_adapter(kind, access, live.served.release, live.served.searcher.store)
        except NotAllowed as error:
            return error.what
        except LoragError as error:
            return str(error)
        return None

    def ready(self) -> str:
        """Open the served release and return its id; raises what `open_served` raises."""
        release_id = self.live.release_id()
        self.metrics.generation.set(int(release_id.partition("-")[0]))
        return release_id

    def warm_up(self) -> None:
        """Open the release and the model that reads, so that the first question does not wait."""
        # Without a release yet, or with a damaged one, the first question reports it.
        with suppress(LoragError), self.live.use(READER.profile.adapter):
            pass

    @contextmanager
    def _open(self, kind: AdapterKind | None, as_of: str | None, access: Access) -> Iterator[Live]:
        if as_of is None:
            with self.live.use(kind) as live:
                self._refuse_adapter(kind, access, live.served.release, live.served.searcher.store)
                yield live
            return
        if ReleaseShelf(self.workspace.state).served_id() is None:
            raise NothingServed("nothing is served yet", do="run `lorag refresh`")
        with (
            self.live.use(None) as current,
            open_served(self.workspace, current.params, self.environment, as_of=as_of, adapter=kind) as served,
        ):
            self._refuse_adapter(kind, access, served.release, served.searcher.store)
            model = current.model
            if kind is not None:
                model = open_generator(current.params.generation, self.environment, served.adapter)
            yield Live(served, current.params, model)

    def _refuse_adapter(self, kind: AdapterKind | None, access: Access, release: Release, store: IndexStore) -> None:
        if kind is None or access.reads_all:
            return
        place = (release.id, kind.value, access)
        with self._lock:
            known = place in self._readable
        if not known:
            refuse_adapter(kind, access, release, store)
            with self._lock:
                self._readable.add(place)


def _query_of(given: Given, asked: Asked, access: Access) -> Query:
    result = given.result
    return Query(
        given.id,
        utc_now(),
        access.name,
        asked.door,
        given.asked_as,
        asked.strategy,
        result.answer.text,
        result.answer.kind.value,
        result.answer.reason.value if result.answer.reason else None,
        result.release,
        tuple(Passage(hit.chunk.document_id, hit.chunk.id, hit.chunk.text) for hit in given.hits),
        tuple(dict.fromkeys(citation.document_id for citation in result.answer.citations)),
        given.seconds,
        result.answer.prompt_tokens,
        result.answer.generated_tokens,
        result.cost.money,
        result.cost.currency,
    )
