"""The opening of the served release, and answers from it."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lorag.answering.generator import LanguageModel
from lorag.answering.rewrite import rewrite_question
from lorag.answering.strategies import Answer, answer_question
from lorag.counted import counted
from lorag.errors import IntegrityFailed, LoragError, NothingServed, StoreFailed, WorkspaceError
from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.models.files import base_model_sha256
from lorag.integrations.models.reranker import open_reranker
from lorag.integrations.stores import open_store
from lorag.params import Params, Rewriting
from lorag.questions.questions import compose
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.releases.forgotten import read_forgotten
from lorag.releases.record import AdapterEntry, Release
from lorag.releases.shelf import POINTER, ReleaseShelf
from lorag.retrieval.embed import embed_whole
from lorag.retrieval.index.store import Filter, Hit, IndexStore
from lorag.retrieval.index.withheld import withhold
from lorag.retrieval.search import Searcher, SearchResult
from lorag.strategies import AdapterKind, Strategy
from lorag.use_cases.serve.candidates import CANDIDATE, read_refused
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """A release with its index open, and the folder of the requested adapter.

    Documents that were forgotten are neither in the `release` nor found by the `searcher`, whatever the index holds.
    `fell_back_from` names a newer release that could not be opened, or the file that names the served one if that is
    damaged.
    """

    release: Release
    searcher: Searcher
    fell_back_from: str | None = None
    adapter: Path | None = None


@contextmanager
def open_served(
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
    *,
    as_of: str | None = None,
    adapter: AdapterKind | None = None,
) -> Iterator[Served]:
    """Yield the served release, or the retained one that `as_of` names by id or generation, with one of its adapters.

    If the served one cannot be opened, the newest older release that can be opened is used and named. It stays on the
    shelf as long as it is open here. What was forgotten until then is withheld: documents, and adapters that may have
    learned from one. Raises WorkspaceError if nothing was published, if the release has no such
    adapter, or if its embedder is not the one that params name. Raises IntegrityFailed if the adapter's base model is
    not the one that params name.
    """
    shelf = ReleaseShelf(workspace.state)
    with ThreadPoolExecutor(1) as executor, ExitStack() as held:
        # The embedder opens while the store is imported and opened.
        embedder_opening = executor.submit(open_embedder, params.embedding)
        store = open_store(params.index, workspace.state, environment)
        try:
            opening = _Opening(store, workspace, adapter, held)
            release, fell_back_from = _choose(shelf, opening, as_of)
            folder = opening.adapter_of(release)
            if adapter is not None:
                refuse_other_base(release.adapters[adapter], params)
            embedder = embedder_opening.result()
            if embedder.fingerprint != release.embedder_fingerprint:
                named = workspace.name_of(params.embedding.model)
                other = f"{release.embedder_model}, params name {named}"
                other = f"other files of {named}" if named == release.embedder_model else other
                raise WorkspaceError(
                    f"the index was built with {other}",
                    where=f"release {release.id}",
                    do="run `lorag refresh`, or restore embedding.model and its files",
                )
            reranker = open_reranker(params.search.reranker) if params.search.reranker else None
            embed = partial(embed_whole, embedder=embedder, embed=embedder.embed_batch)
            searcher = Searcher(store, release.index, embed, reranker, executor)
            yield replace(
                _without_forgotten(release, searcher, workspace), fell_back_from=fell_back_from, adapter=folder
            )
        finally:
            store.close()


@contextmanager
def open_beside(served: Served, release_id: str, workspace: Workspace) -> Iterator[Served]:
    """Yield another retained release with the store and the embedder of one that is open; it needs no adapter.

    What was forgotten is withheld. Raises NotThere if it is gone, and IntegrityFailed if its index is damaged; its
    embedder has to be the same.
    """
    with ExitStack() as held:
        opening = _Opening(served.searcher.store, workspace, None, held)
        release = opening.open(ReleaseShelf(workspace.state), release_id)
        yield _without_forgotten(release, replace(served.searcher, ref=release.index), workspace)


def _without_forgotten(release: Release, searcher: Searcher, workspace: Workspace) -> Served:
    denied = read_forgotten(workspace.state).covered(release.documents)
    allowed = {name: entry for name, entry in release.documents.items() if name not in denied}
    searcher = replace(searcher, store=withhold(searcher.store, denied))
    return Served(replace(release, documents=allowed), searcher)


def refuse_other_base(entry: AdapterEntry, params: Params) -> None:
    """Raise IntegrityFailed if the adapter was trained on a base model other than the one that params name."""
    if entry.base_model_sha256 != base_model_sha256(params.generation.model):
        raise IntegrityFailed(
            f"the adapter {entry.id} was trained on another base model than {params.generation.model}",
            where="generation.model",
            do="restore generation.model, or run `lorag retrain`",
        )


def open_adapter(served: Served, kind: AdapterKind | None, workspace: Workspace, params: Params) -> Path | None:
    """Return the folder of an adapter of an open release, after a check of every byte; None for no adapter.

    Raises WorkspaceError if the release has no such adapter, and IntegrityFailed if it is damaged or was trained on
    another base model.
    """
    if kind is None:
        return None
    entry = _entry_of(served.release, kind, workspace)
    refuse_other_base(entry, params)
    return AdapterShelf(workspace.adapters).open(entry.sha256)


def _entry_of(release: Release, kind: AdapterKind, workspace: Workspace) -> AdapterEntry:
    if kind not in release.adapters:
        refused = read_refused(kind, workspace)
        what = f"the release has no {kind} adapter"
        if refused is None:
            do = f"run `lorag retrain --adapter {kind}`"
        else:
            what += f", because its gate refused {refused}"
            do = f"ask it with `--adapter {CANDIDATE}`; artifacts/refused_{kind}.json says what it lacks"
        raise _NoSuchAdapter(what, where=f"release {release.id}", do=do)
    entry = release.adapters[kind]
    if read_forgotten(workspace.state).taught(entry.documents):
        raise _NoSuchAdapter(
            f"the {kind} adapter may have learned from a document that was forgotten",
            where=f"release {release.id}",
            do="run `lorag retrain`",
        )
    return entry


@dataclass(frozen=True, slots=True)
class _Opening:
    """The parts of a release that have to open."""

    store: IndexStore
    workspace: Workspace
    adapter: AdapterKind | None
    held: ExitStack
    """What ends when the release is closed."""

    def open(self, shelf: ReleaseShelf, release_id: str) -> Release:
        """Return the release of that id, held and checked; raises NotThere if it is gone."""
        with ExitStack() as holding:
            holding.enter_context(shelf.hold(release_id))
            release = shelf.read(release_id)
            self.check(release)
            self.held.push(holding.pop_all())
        return release

    def check(self, release: Release) -> None:
        count = self.store.count(release.index, expected=release.n_chunks)
        if count != release.n_chunks:
            raise IntegrityFailed(
                f"the index holds {counted(count, 'chunk')}, the release {release.n_chunks:,}",
                where=f"release {release.id}",
            )
        self.adapter_of(release)

    def adapter_of(self, release: Release) -> Path | None:
        if self.adapter is None:
            return None
        return AdapterShelf(self.workspace.adapters).open(_entry_of(release, self.adapter, self.workspace).sha256)


class _NoSuchAdapter(WorkspaceError):
    """The release has no such adapter; nothing is damaged, so no older release is tried."""


def _choose(shelf: ReleaseShelf, opening: _Opening, as_of: str | None) -> tuple[Release, str | None]:
    if as_of is not None:
        return opening.open(shelf, shelf.as_of(as_of).id), None
    try:
        served_id = shelf.served_id()
    except IntegrityFailed as error:
        return _newest_that_opens(shelf, opening, error, POINTER)
    if served_id is None:
        raise NothingServed("nothing is served yet", do="run `lorag refresh`")
    try:
        return opening.open(shelf, served_id), None
    except _NoSuchAdapter:
        raise
    except (IntegrityFailed, WorkspaceError) as error:
        if shelf.pointed_id() not in (served_id, None):
            # Writers published several releases since the pointer was read.
            return _choose(shelf, opening, None)
        return _newest_that_opens(shelf, opening, error, served_id)


def _newest_that_opens(
    shelf: ReleaseShelf, opening: _Opening, why: LoragError, instead_of: str
) -> tuple[Release, str | None]:
    """Return the newest release that opens, older than `instead_of` if that is one; raise IntegrityFailed if none."""
    logger.warning("%s cannot be opened: %s", instead_of, why)
    for older in shelf.releases():
        # Of a name that is damaged, the generation is likely to be right.
        if instead_of != POINTER and (older.id[:6] > instead_of[:6] or older.id == instead_of):
            continue
        try:
            release = opening.open(shelf, older.id)
        except StoreFailed:
            # Without its store no release opens, and none of them is damaged.
            raise
        except LoragError as error:
            logger.warning("release %s cannot be opened either: %s", older.id, error)
            continue
        logger.warning("answers come from release %s", release.id)
        return release, instead_of
    raise IntegrityFailed(
        f"{instead_of} cannot be opened, and no older one can",
        do="run `lorag doctor`, then `lorag refresh --rebuild`",
    ) from why


def search_served(
    question: str,
    served: Served,
    params: Params,
    *,
    generator: LanguageModel | None = None,
    where: Filter = Filter(),
    exact: bool = False,
) -> SearchResult:
    """Return chunks for a question, which the generator first rewrites if params ask for it."""
    question = compose(question)
    queries: Sequence[str] = [question]
    if params.search.rewriting is not Rewriting.NONE and generator is not None:
        queries = rewrite_question(question, params.search.rewriting, generator)
    return served.searcher.search(queries, params.search, where=where, exact=exact)


def answer_from(
    question: str,
    strategy: Strategy,
    served: Served,
    generator: LanguageModel,
    params: Params,
    *,
    where: Filter = Filter(),
    on_text: Callable[[str], None] | None = None,
    on_hits: Callable[[Sequence[Hit]], None] = lambda hits: None,
    found: Sequence[Hit] | None = None,
) -> Answer:
    """Return an answer by `strategy`; one that reads uses chunks that are relevant enough, or says that none are.

    `on_hits` is called with these chunks, best first, before the model is asked. They are those in `found` if it is
    given; otherwise they are searched for.
    """
    question = compose(question)
    hits: Sequence[Hit] = ()
    if strategy.profile.reads:
        if found is None:
            result = search_served(question, served, params, generator=generator, where=where)
            found = result.relevant(params.search.min_similarity)
        hits = found
        on_hits(hits)
    answer = answer_question(
        question,
        strategy,
        generator=generator,
        hits=hits,
        versions={key: entry.version for key, entry in served.release.documents.items()},
        params=params.answering,
        generation=params.generation,
        embed=served.searcher.embed,
        on_text=on_text,
    )
    return replace(answer, newer={hit.chunk.document_id: hit.newer for hit in hits if hit.newer is not None})
