"""The class behind `from lorag import Workspace`: a workspace to use from Python or a notebook."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lorag import workspace as places
from lorag.params import Params, RetrieverKind
from lorag.params_file import load_params
from lorag.strategies import READER
from lorag.use_cases.serve.request import filter_on, refuse_bad_text, strategy_named

if TYPE_CHECKING:
    # Each of them takes seconds to import, and most callers need only one.
    from lorag.use_cases.refresh.steps import RefreshOutcome
    from lorag.use_cases.serve.answer_result import AnswerResult
    from lorag.use_cases.serve.search import SearchOutcome
    from lorag.use_cases.serve.status import Status


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace that `lorag init` made; open one with `Workspace.open`.

    Each method does what the command of the same name does. It returns a frozen record, whose `to_json()` is the object
    that the command prints with `--json`, and raises a LoragError, whose `line()` says what to do.

    >>> from lorag import Workspace
    >>> handbook = Workspace.open("handbook")
    >>> handbook.refresh().rejected
    0
    >>> handbook.search("How deep is berth 4?", top_k=1).hits[0].chunk.document_id
    'berths.md'
    >>> answer = handbook.ask("How deep is berth 4 of the Quellwick basin?", strategy="rag").answer
    >>> answer.citations[0].document_id
    'berths.md'
    >>> handbook.status().is_up_to_date
    True
    """

    root: Path

    @classmethod
    def open(cls, path: str | Path = ".") -> Self:
        """Open the workspace that contains `path`; raises WorkspaceError if there is none."""
        return cls(places.find_workspace(Path(path)).root)

    @property
    def paths(self) -> places.Workspace:
        """The paths of its files."""
        return places.Workspace(self.root)

    @property
    def params(self) -> Params:
        """The current settings in params.yaml; raises ParamsError for a setting that cannot be used."""
        return load_params(self.paths.params_file)

    def ask(
        self,
        question: str,
        strategy: str = READER,
        *,
        where: Mapping[str, str] | None = None,
        as_of: str | None = None,
        adapter: str | None = None,
        on_text: Callable[[str], None] | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> "AnswerResult":
        """Answer a question from the served release, with citations and the cost.

        `where` keeps to documents with these metadata values, `as_of` names a retained release by id or generation,
        `adapter` names another adapter than the served one, by id or sha256, or `candidate` for the one trained last,
        `on_text` gets the text by sentences, or at once if the strategy reads. Raises ParamsError for an empty question
        or an unknown strategy, WorkspaceError if nothing is served or the strategy's adapter is not, StoreFailed if a
        service is down.
        """
        chosen = strategy_named(strategy)
        refuse_bad_text(question, "question")
        from lorag.use_cases.serve.answer import answer_served

        return answer_served(
            question,
            chosen,
            self.paths,
            self.params,
            environment,
            where=filter_on(None, where.items() if where else None),
            as_of=as_of,
            adapter=adapter,
            on_text=on_text,
        )

    def search(
        self,
        query: str,
        *,
        top_k: int | None = None,
        retriever: RetrieverKind | None = None,
        where: Mapping[str, str] | None = None,
        documents: Sequence[str] = (),
        exact: bool = False,
        as_of: str | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> "SearchOutcome":
        """Return the chunks that a question would be answered from, best first.

        `top_k` and `retriever` replace those of params.yaml, `documents` and `where` keep to some documents, `exact`
        compares with every vector. Raises ParamsError for an empty query, and otherwise as `ask` does.
        """
        refuse_bad_text(query, "query")
        from lorag.use_cases.serve.search import search_workspace

        return search_workspace(
            query,
            self.paths,
            self.params,
            environment,
            top_k=top_k,
            retriever=retriever,
            where=filter_on(documents, where.items() if where else None),
            as_of=as_of,
            exact=exact,
        )

    def status(self) -> "Status":
        """Return what is served and what has changed in the source; raises InputRejected if there is no source."""
        from lorag.use_cases.serve.status import read_status

        return read_status(self.paths, self.params)

    def refresh(
        self, *, rebuild: bool = False, allow_shrink: bool = False, approve: Sequence[str] = ()
    ) -> "RefreshOutcome":
        """Bring the index up to date with the source; only changes cost anything, and without any no flow runs.

        It runs the flow, which reads addresses and secrets from `os.environ`, because its stages are separate
        processes. `rebuild` writes the whole index again, `allow_shrink` allows most of it to be removed, `approve`
        names new folders that may be read. `rejected` of the outcome counts the documents that were set aside. Raises
        Busy if another update runs, GateRefused if a check failed, InputRejected for a source that cannot be used; the
        served release then stays as it was.
        """
        from lorag.console.terminal import standard_output_kept_clean, start_prefect
        from lorag.use_cases.refresh.pending_work import skip_idle_refresh

        with standard_output_kept_clean():
            if settled := skip_idle_refresh(self.paths, self.params, os.environ, rebuild=rebuild or bool(approve)):
                return settled
            # Before the import of Prefect, which reads its settings during the import.
            start_prefect(self.paths.state, debug=False)
            from flows.refresh_index import refresh_index
            from lorag.integrations.prefect.own_server import wait_for_own_server

            wait_for_own_server()
            return refresh_index(str(self.root), rebuild=rebuild, allow_shrink=allow_shrink, approve=approve)
