"""The command `lorag search` in a workspace."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lorag.answering.generator import LanguageModel
from lorag.integrations.models.generators import open_generator
from lorag.knowledge.dates import date_of
from lorag.params import Params, RetrieverKind, Rewriting
from lorag.retrieval.index.store import Filter, Hit
from lorag.use_cases.serve.serve import Served, open_served, search_served
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """The hits for a query, best first, with the release they came from.

    `versions` maps the hits' documents to their versions; `best_similarity` is the best cosine that the dense search
    saw; None if none ran. `fell_back_from` is as in `AnswerResult`.
    """

    query: str
    retriever: RetrieverKind
    hits: tuple[Hit, ...]
    versions: Mapping[str, str]
    best_similarity: float | None
    release: str
    fell_back_from: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag search --json` prints."""
        hits = [
            {
                "chunk_id": hit.chunk.id,
                "document_id": hit.chunk.document_id,
                "document_version": self.versions[hit.chunk.document_id],
                "context": hit.chunk.context,
                "text": hit.chunk.text,
                "metadata": dict(hit.chunk.metadata),
                "score": hit.score,
                "date": date_of(hit.chunk.document_id, hit.chunk.metadata),
                "newer": hit.newer,
            }
            for hit in self.hits
        ]
        return {
            "query": self.query,
            "retriever": self.retriever.value,
            "release": self.release,
            "fell_back_from": self.fell_back_from,
            "best_similarity": self.best_similarity,
            "hits": hits,
        }


def search_workspace(
    query: str,
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
    *,
    top_k: int | None = None,
    retriever: RetrieverKind | None = None,
    where: Filter = Filter(),
    as_of: str | None = None,
    exact: bool = False,
) -> SearchOutcome:
    """Search the served release, or the one that `as_of` names.

    `top_k` and `retriever` replace those of params; `exact` compares with every vector. Raises the same errors as
    `open_served`.
    """
    with open_served(workspace, params, environment, as_of=as_of) as served:
        rewrites = params.search.rewriting is not Rewriting.NONE
        generator = open_generator(params.generation, environment) if rewrites else None
        return search_with(query, served, generator, params, top_k=top_k, retriever=retriever, where=where, exact=exact)


def search_with(
    query: str,
    served: Served,
    generator: LanguageModel | None,
    params: Params,
    *,
    top_k: int | None = None,
    retriever: RetrieverKind | None = None,
    where: Filter = Filter(),
    exact: bool = False,
) -> SearchOutcome:
    """Search a release that is open, as `search_workspace` does; params say if `generator` rewrites the query."""
    params = _searching(params, top_k, retriever)
    found = search_served(query, served, params, generator=generator, where=where, exact=exact)
    documents = served.release.documents
    names = {hit.chunk.document_id for hit in found.hits}
    versions = {name: documents[name].version for name in names}
    return SearchOutcome(
        query,
        params.search.retriever,
        found.hits,
        versions,
        found.best_similarity,
        served.release.id,
        served.fell_back_from,
    )


def _searching(params: Params, top_k: int | None, retriever: RetrieverKind | None) -> Params:
    update: dict[str, Any] = {"candidates": max(top_k or 0, params.search.candidates)}
    update |= {"top_k": top_k} if top_k is not None else {}
    update |= {"retriever": retriever} if retriever is not None else {}
    return params.model_copy(update={"search": params.search.model_copy(update=update)})
