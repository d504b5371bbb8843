"""`lorag ask` and `lorag search` on a workspace."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lorag.answering.strategies import Answer
from lorag.costs.records import Cost
from lorag.integrations.machine.cost_meter import CostMeter
from lorag.integrations.models.generators import open_generator
from lorag.params import Params, Rewriting
from lorag.retrieval.index.store import Filter
from lorag.strategies import Strategy
from lorag.use_cases.serve.serve import answer_from, open_served, search_served
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class AnswerResult:
    """An answer with the release it came from and what it cost; opening models and index is part of the cost."""

    question: str
    strategy: Strategy
    answer: Answer
    release: str
    fell_back_from: str | None
    cost: Cost

    def to_json(self) -> dict[str, Any]:
        """The object that `lorag ask --json` prints."""
        return {
            "question": self.question,
            "strategy": self.strategy,
            "answer": self.answer.text,
            "abstained": self.answer.abstained,
            "supported": self.answer.supported,
            "citations": [asdict(citation) for citation in self.answer.citations],
            "release": self.release,
            "fell_back_from": self.fell_back_from,
            "cost": self.cost.to_json(),
        }


def answer_served(
    question: str,
    strategy: Strategy,
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
    *,
    where: Filter = Filter(),
    as_of: str | None = None,
    on_text: Callable[[str], None] | None = None,
) -> AnswerResult:
    """Answers from the served release; raises WorkspaceError where there is none, or none with the adapter."""
    adapter = strategy.profile.adapter
    with (
        CostMeter(params.costs) as meter,
        open_served(workspace, params, environment, as_of=as_of, adapter=adapter) as served,
    ):
        generator = open_generator(params.generation, environment, served.adapter)
        answer = answer_from(question, strategy, served, generator, params, where=where, on_text=on_text)
        meter.add_tokens(prompt=answer.prompt_tokens, generated=answer.generated_tokens)
    return AnswerResult(question, strategy, answer, served.release.id, served.fell_back_from, meter.stop())


def search_workspace(
    query: str,
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
    *,
    where: Filter = Filter(),
    as_of: str | None = None,
    exact: bool = False,
) -> dict[str, Any]:
    """The object that `lorag search --json` prints."""
    with open_served(workspace, params, environment, as_of=as_of) as served:
        rewrites = params.search.rewriting is not Rewriting.NONE
        generator = open_generator(params.generation, environment) if rewrites else None
        found = search_served(query, served, params, generator=generator, where=where, exact=exact)
        versions = served.release.documents
    hits = [
        {
            "chunk_id": hit.chunk.id,
            "document_id": hit.chunk.document_id,
            "document_version": versions[hit.chunk.document_id].version,
            "context": hit.chunk.context,
            "text": hit.chunk.text,
            "metadata": dict(hit.chunk.metadata),
            "score": hit.score,
        }
        for hit in found.hits
    ]
    return {
        "query": query,
        "retriever": params.search.retriever.value,
        "release": served.release.id,
        "best_similarity": found.best_similarity,
        "hits": hits,
    }
