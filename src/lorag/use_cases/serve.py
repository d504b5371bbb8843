"""Opens what is served, and answers from it."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from lorag.adapters.embedders import open_embedder
from lorag.adapters.reranker import open_reranker
from lorag.adapters.stores import open_store
from lorag.answering.generator import LanguageModel
from lorag.answering.strategies import Answer, answer_question
from lorag.errors import IntegrityFailed, LoragError, WorkspaceError
from lorag.params import Params, Rewriting, Strategy
from lorag.releases.record import Release
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.index.store import Filter, Hit, IndexStore
from lorag.retrieval.rewrite import rewrite_question
from lorag.retrieval.search import Searcher, SearchResult
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """A release with its index open. `fell_back_from` names a newer release that could not be opened."""

    release: Release
    searcher: Searcher
    fell_back_from: str | None = None


@contextmanager
def open_served(
    workspace: Workspace, params: Params, environment: Mapping[str, str], *, as_of: str | None = None
) -> Iterator[Served]:
    """The served release, or the retained one that `as_of` names by id or generation.

    Where the served one cannot be opened, the newest older release that can is used and named. Raises WorkspaceError
    where nothing was published, or where the release was made by another embedder than params name.
    """
    shelf = ReleaseShelf(workspace.state)
    store = open_store(params.index, workspace.state, environment)
    try:
        release, fell_back_from = _choose(shelf, store, as_of)
        embedder = open_embedder(params.embedding)
        if embedder.fingerprint != release.embedder_fingerprint:
            raise WorkspaceError(
                f"the index was built with {release.embedder_model}, params name {params.embedding.model}",
                where=f"release {release.id}",
                do="run `lorag refresh`, or set embedding.model back",
            )
        reranker = open_reranker(params.search.reranker) if params.search.reranker else None
        with ThreadPoolExecutor(1) as executor:
            searcher = Searcher(store, release.index, embedder.embed_batch, reranker, executor)
            yield Served(release, searcher, fell_back_from)
    finally:
        store.close()


def _choose(shelf: ReleaseShelf, store: IndexStore, as_of: str | None) -> tuple[Release, str | None]:
    if as_of is not None:
        release = shelf.as_of(as_of)
        _check_opens(release, store)
        return release, None
    served_id = shelf.served_id()
    if served_id is None:
        raise WorkspaceError("nothing is served yet", do="run `lorag refresh`")
    try:
        release = shelf.read(served_id)
        _check_opens(release, store)
        return release, None
    except (IntegrityFailed, WorkspaceError) as error:
        logger.warning("release %s cannot be opened: %s", served_id, error)
        for older in shelf.releases():
            if older.id < served_id and _opens(older, store):
                return older, served_id
        raise IntegrityFailed(
            f"release {served_id} cannot be opened, and no older one can", do="run `lorag doctor`, then `lorag refresh`"
        ) from error


def _check_opens(release: Release, store: IndexStore) -> None:
    count = store.count(release.index)
    if count != release.n_chunks:
        raise IntegrityFailed(
            f"the index holds {count} chunks, the release {release.n_chunks}", where=f"release {release.id}"
        )


def _opens(release: Release, store: IndexStore) -> bool:
    try:
        _check_opens(release, store)
    except LoragError as error:
        logger.warning("release %s cannot be opened either: %s", release.id, error)
        return False
    return True


def search_served(
    question: str,
    served: Served,
    params: Params,
    *,
    generator: LanguageModel | None = None,
    where: Filter = Filter(),
    exact: bool = False,
) -> SearchResult:
    """Chunks for a question; rewritten by the generator first where params ask for that."""
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
) -> Answer:
    """An answer by `strategy`; for rag from chunks that are relevant enough, or the word that there are none."""
    hits: Sequence[Hit] = ()
    if strategy == "rag":
        result = search_served(question, served, params, generator=generator, where=where)
        similarity = result.best_similarity
        hits = result.hits if similarity is None or similarity >= params.search.min_similarity else ()
    return answer_question(
        question,
        strategy,
        generator=generator,
        hits=hits,
        versions={key: entry.version for key, entry in served.release.documents.items()},
        params=params.answering,
        generation=params.generation,
        on_text=on_text,
    )
