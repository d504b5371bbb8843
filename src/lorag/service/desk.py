"""What every door of the service does: answer, search, show a document, say what changed, for one caller."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

from lorag.answering.generator import LanguageModel
from lorag.answering.stand_alone import stand_alone
from lorag.costs.prices import cost_of
from lorag.errors import LoragError, NotAllowed, NothingServed
from lorag.findings.release_card import ReleaseCard
from lorag.integrations.machine.shared_work import SharedWork
from lorag.integrations.models.generators import open_generator
from lorag.params import Params, RetrieverKind
from lorag.params_file import load_params
from lorag.releases.record import Release
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.index.store import Filter, Hit
from lorag.service.asked import Asked, Given, query_of, traced_of
from lorag.service.metrics import Metrics
from lorag.service.work import Watch, WatchedModel
from lorag.strategies import READER, AdapterKind, Auto, Requested
from lorag.use_cases.judge.describe_release import describe_release
from lorag.use_cases.serve.access import Access, readable_documents, readable_in_both, refuse_adapter, within
from lorag.use_cases.serve.answer import answer_routed, answer_with
from lorag.use_cases.serve.answer_costs import AnswerCosts, settings_of
from lorag.use_cases.serve.answer_result import AnswerResult
from lorag.use_cases.serve.kept_router import KeptRouter, read_router
from lorag.use_cases.serve.live import Live, LiveRelease
from lorag.use_cases.serve.query_log import Query, QueryLog
from lorag.use_cases.serve.read_document import DocumentTexts, DocumentView, view_document
from lorag.use_cases.serve.request import refuse_bad_text
from lorag.use_cases.serve.search import SearchOutcome, search_with
from lorag.use_cases.serve.serve import Served, open_adapter, open_served
from lorag.use_cases.serve.show_document import ShownDocument, show_document
from lorag.use_cases.serve.tracing import Tracer
from lorag.use_cases.serve.what_changed import Change, what_changed
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)

_MOST_PAIRS = 100


@dataclass(frozen=True, slots=True)
class _Opened:
    """A release that is open for a caller; `documents` are those that it may read, None if its filter says it all.

    `refuse` raises NotAllowed for an adapter that saw more than the caller may read.
    """

    live: Live
    access: Access
    refuse: Callable[[AdapterKind | None], None]
    documents: frozenset[str] | None = None

    def narrow(self, where: Mapping[str, str] | None = None, documents: Sequence[str] = ()) -> Filter:
        """Return the filter of a request."""
        return within(self.access.narrow(where, documents), self.documents)


@dataclass(slots=True)
class Desk:
    """The released knowledge of a workspace for callers; its methods block, and threads may share it."""

    workspace: Workspace
    environment: Mapping[str, str]
    live: LiveRelease
    log: QueryLog
    metrics: Metrics
    costs: AnswerCosts
    tracer: Tracer
    _work: SharedWork = field(default_factory=SharedWork)
    _texts: DocumentTexts = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _readable: set[tuple[str, str, str, Access]] = field(default_factory=set)
    _still_open: dict[tuple[str, str, Access], frozenset[str] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._texts = DocumentTexts(self.workspace.documents_file)

    def answer(
        self,
        asked: Asked,
        access: Access,
        watch: Watch,
        on_text: Callable[[str], None] = lambda piece: None,
        on_hits: Callable[[Sequence[Hit]], None] = lambda hits: None,
    ) -> Given:
        """Answer from exactly one release; raises NotAllowed if the strategy's adapter saw more than that.

        `on_hits` is called with the chunks that were found, best first, before the model is asked.
        """
        refuse_bad_text(asked.question, "question")
        began, began_ns = time.perf_counter(), time.time_ns()
        hits: list[Hit] = []
        searched_ns = began_ns

        def found(each: Sequence[Hit]) -> None:
            nonlocal searched_ns
            searched_ns = time.time_ns()
            hits.extend(each)
            on_hits(each)

        with self._open(asked.strategy.profile.adapter, asked.as_of, access) as opened:
            live = opened.live
            params = live.params
            limit = min(asked.max_new_tokens or params.generation.max_new_tokens, params.generation.max_new_tokens)
            generation = params.generation.model_copy(update={"max_new_tokens": limit})
            model = WatchedModel(live.model, watch)

            def readable_then(then: Served) -> Filter:
                still_open = self._find_still_open(access, then, live.served)
                return within(opened.narrow(asked.where), still_open)

            question = stand_alone(asked.question, asked.before, model, reads_past=params.asking.past)
            watch.check()
            if isinstance(asked.strategy, Auto):
                kept = self._router_for(opened)
                for strategy in kept.strategies:
                    # Opened now and kept, so that no answer pays for it.
                    live.open_model(strategy.profile.adapter)
                ask = partial(
                    answer_routed, question, kept, live.served, lambda kind: WatchedModel(live.open_model(kind), watch)
                )
            else:
                ask = partial(answer_with, question, asked.strategy, live.served, model)
            with self._work.share() as share:
                result = ask(
                    self.workspace,
                    params.model_copy(update={"generation": generation}),
                    where=opened.narrow(asked.where),
                    readable_then=readable_then if asked.as_of is None else None,
                    on_text=on_text,
                    on_hits=found,
                )
            # The meter counts the whole process, and others are answered at the same time.
            use = result.cost.use.shared(share.value)
            result = replace(result, cost=cost_of(use, params.costs, result.cost.machine))
            release = (result.past and result.past.release) or live.served.release
        seconds = time.perf_counter() - began
        query = query_of(result, hits, asked, access, question, seconds)
        self.note(query, result, params)
        if not self.log.is_forgotten(query):
            self.tracer.add(traced_of(query, began_ns, searched_ns))
        return Given(query.id, result, tuple(hits), release, question, seconds, limit)

    def note(self, query: Query, result: AnswerResult, params: Params) -> str:
        """Log and count an answer, add its cost to the ledger, and return its id."""
        self.metrics.count_answer(query)
        self.metrics.count_pages(result.pages)
        try:
            self.log.add(query)
            self.costs.add(query.strategy, query.release, settings_of(params), result.cost)
        except OSError as error:
            # What reads goes on where nothing can be written any more.
            logger.warning("an answer could not be logged: %s", error)
        return query.id

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
        refuse_bad_text(query, "query")
        with self._open(None, as_of, access) as opened:
            live = opened.live
            return search_with(
                query,
                live.served,
                live.model,
                live.params,
                top_k=top_k,
                retriever=retriever,
                where=opened.narrow(where, documents),
            )

    def document(self, document_id: str, access: Access) -> DocumentView:
        """Return a document of the served release; raises NotThere where there is none that the caller may read."""
        with self._open(None, None, access) as opened:
            return view_document(document_id, opened.live.served, self._texts, opened.narrow(documents=[document_id]))

    def passages(self, document_id: str, access: Access, as_of: str | None = None) -> ShownDocument:
        """Return a document as the passages that a release has of it; raises NotThere as `document` does."""
        with self._open(None, as_of, access) as opened:
            return show_document(document_id, opened.live.served, self._texts, opened.narrow(documents=[document_id]))

    def what_changed(self, access: Access, since: str | None = None) -> Change:
        """Return the documents that changed up to the served release, among those that the caller may read."""
        with self._open(None, None, access) as opened:
            served = opened.live.served

            def readable(who: Access, release: Release) -> frozenset[str]:
                return readable_documents(who, release, served.searcher.store)

            return what_changed(ReleaseShelf(self.workspace.state), served.release, access, readable, since)

    def releases(self, access: Access) -> dict[str, Any]:
        """Return the retained releases, newest first; sizes only for a caller who may read everything."""
        shelf = ReleaseShelf(self.workspace.state)
        served = shelf.used_id()
        listed = []
        for release in shelf.releases():
            entry = {"id": release.id, "generation": release.generation, "created_utc": release.created_utc}
            entry |= {"served": release.id == served, "adapters": sorted(kind.value for kind in release.adapters)}
            if access.reads_all:
                entry |= {"n_documents": len(release.documents), "n_chunks": release.n_chunks}
            listed.append(entry)
        return {"served": served, "releases": listed}

    def release_card(self, name: str | None, access: Access) -> ReleaseCard:
        """Return what is recorded of a release, for a caller who may read everything; raises NotAllowed for others."""
        if not access.reads_all:
            raise NotAllowed(
                "a card names all documents and keys", where="/v1/releases", do="ask with a key that reads everything"
            )
        return describe_release(name, self.workspace, load_params(self.workspace.params_file), self.environment)

    def why_not(self, strategy: Requested, access: Access) -> str | None:
        """Return why a strategy cannot answer this caller now, or cannot be chosen for it; None if it can."""
        kind = strategy.profile.adapter
        try:
            with self._open(None, None, access) as opened:
                served = opened.live.served
                if kind and kind not in served.release.adapters:
                    return f"the release has no {kind} adapter; run `lorag retrain --adapter {kind}`"
                self._refuse_adapter(kind, access, served.release, served)
                if isinstance(strategy, Auto) and (reason := self._router_for(opened).reason):
                    return reason
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

    def keep_warm(self) -> None:
        """Open the release and the model that reads, so that the first question does not wait, and follow changes."""
        # Without a release yet, or with a damaged one, the first question reports it.
        with suppress(LoragError), self.live.use(READER.profile.adapter):
            pass
        self.live.keep_up()

    @contextmanager
    def _open(self, kind: AdapterKind | None, as_of: str | None, access: Access) -> Iterator[_Opened]:
        if as_of is None:
            with self.live.use(kind) as live:

                def refuse(each: AdapterKind | None) -> None:
                    self._refuse_adapter(each, access, live.served.release, live.served)

                refuse(kind)
                yield _Opened(live, access, refuse)
            return
        if ReleaseShelf(self.workspace.state).used_id() is None:
            raise NothingServed("nothing is served yet", do="run `lorag refresh`")
        with (
            self.live.use(None) as current,
            open_served(self.workspace, current.params, self.environment, as_of=as_of, adapter=kind) as served,
        ):

            def refuse_in_both(each: AdapterKind | None) -> None:
                self._refuse_adapter(each, access, served.release, served)
                # What was closed to the caller since then is closed in every release.
                self._refuse_adapter(each, access, served.release, current.served)

            @cache
            def open_model(each: AdapterKind | None) -> LanguageModel:
                if each is None:
                    return current.model
                folder = served.adapter if each == kind else open_adapter(served, each, self.workspace, current.params)
                return open_generator(current.params.generation, self.environment, folder)

            refuse_in_both(kind)
            documents = self._find_still_open(access, served, current.served)
            live = Live(served, current.params, open_model(kind), open_model)
            yield _Opened(live, access, refuse_in_both, documents)

    def _router_for(self, opened: _Opened) -> KeptRouter:
        """Return the router of an open release; raises NotAllowed if it may choose an adapter that saw too much."""
        kept = read_router(opened.live.served.release, self.workspace, opened.live.params)
        for strategy in kept.strategies:
            opened.refuse(strategy.profile.adapter)
        return kept

    def _refuse_adapter(self, kind: AdapterKind | None, access: Access, owner: Release, judge: Served) -> None:
        """Raise NotAllowed if the adapter of the release `owner` saw what the caller may not read in `judge`."""
        if kind is None or access.reads_all:
            return
        place = (owner.id, judge.release.id, kind.value, access)
        with self._lock:
            known = place in self._readable
        if not known:
            refuse_adapter(kind, access, replace(judge.release, adapters=owner.adapters), judge.searcher.store)
            with self._lock:
                self._readable.add(place)

    def _find_still_open(self, access: Access, then: Served, now: Served) -> frozenset[str] | None:
        if access.reads_all:
            return None
        place = (then.release.id, now.release.id, access)
        with self._lock:
            if place in self._still_open:
                return self._still_open[place]
        found = readable_in_both(access, (then.release, then.searcher.store), (now.release, now.searcher.store))
        with self._lock:
            # Each refresh brings new pairs of releases.
            if len(self._still_open) >= _MOST_PAIRS:
                self._still_open.clear()
            self._still_open[place] = found
        return found
