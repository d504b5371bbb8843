"""Commands that ask and search."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from lorag.commands.options import AsOf, Json, Where, filter_of, open_workspace, pairs_of
from lorag.console import terminal as console
from lorag.params import RetrieverKind
from lorag.service.client import find_service
from lorag.strategies import READER
from lorag.use_cases.serve.request import refuse_bad_text, strategy_named

commands = typer.Typer()
evaluate_app = typer.Typer(help="Measure a part of the system on questions with known answers.")
commands.add_typer(evaluate_app, name="evaluate")


@commands.command(epilog='Example: lorag ask "Who runs the night shift?" --strategy rag')
def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    strategy: Annotated[
        str,
        typer.Option(
            help="base uses the model's weights, rag the index, tuned the trained weights, hybrid both; auto chooses "
            "one of them for the question, where a comparison found that better.",
        ),
    ] = READER,
    where: Where = None,
    as_of: AsOf = None,
    adapter: Annotated[
        str | None,
        typer.Option(
            help="With tuned or hybrid: another adapter than the served one, by id or sha256; `candidate` is the one "
            "trained last, also if its gate refused it.",
            metavar="ADAPTER",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer a question from the served release, with citations."""
    chosen = strategy_named(strategy)
    refuse_bad_text(question, "question")
    workspace, params = open_workspace(context)
    # What a model wrote from passages is shown once it is judged: nothing that is printed is taken back.
    streams = not as_json and not chosen.profile.reads
    on_text: Callable[[str], None] = console.stream_text if streams else _ignore
    result = None
    # An endpoint that this shell names may not be the one that the service asks, which knows no refused adapters.
    if (
        adapter is None
        and not os.environ.get("LORAG_OPENAI_BASE_URL")
        and (service := find_service(workspace.service_file))
    ):
        asked = {"question": question, "strategy": chosen.value, "where": dict(pairs_of(where)), "as_of": as_of}
        result = service.answer(asked, on_text)
    if result is None:
        from lorag.use_cases.serve.answer import answer_served

        with console.standard_output_kept_clean(streaming=streams):
            result = answer_served(
                question,
                chosen,
                workspace,
                params,
                os.environ,
                where=filter_of(where),
                as_of=as_of,
                adapter=adapter,
                on_text=on_text,
            ).to_json()
    shown = result
    console.show(shown, lambda: console.show_answer(shown), as_json=as_json)


def _ignore(piece: str) -> None:
    pass


@commands.command(epilog="Example: lorag models --measure")
def models(
    context: typer.Context,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure tokens a second of each; takes a minute or so for each.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the language models on this machine: what each takes, how fast it is, and which one answers."""
    workspace, params = open_workspace(context)
    from lorag.use_cases.serve.list_models import list_models

    with console.standard_output_kept_clean():
        listed = list_models(workspace, params, os.environ, measure=measure)
    result = listed.to_json()
    console.show(result, lambda: console.show_models(result), as_json=as_json)


@commands.command(epilog='Example: lorag search "berth allocation" --retriever fused -k 3')
def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="What to look for, in quotes.")],
    top_k: Annotated[int | None, typer.Option("--top-k", "-k", min=1, max=1000, help="How many chunks.")] = None,
    retriever: Annotated[
        RetrieverKind | None, typer.Option(help="How to search; search.retriever if left out.")
    ] = None,
    where: Where = None,
    document: Annotated[list[str] | None, typer.Option(help="Only this document; may be repeated.")] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Compare with every vector.")] = False,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Show the chunks that the answer to a question would use."""
    refuse_bad_text(query, "query")
    workspace, params = open_workspace(context)
    from lorag.use_cases.serve.search import search_workspace

    with console.standard_output_kept_clean():
        result = search_workspace(
            query,
            workspace,
            params,
            os.environ,
            top_k=top_k,
            retriever=retriever,
            where=filter_of(where, document),
            as_of=as_of,
            exact=exact,
        ).to_json()
    console.show(result, lambda: console.show_search(result), as_json=as_json)


@evaluate_app.command(
    "retrieval", epilog="Example: lorag evaluate retrieval --documents documents.jsonl --questions questions.jsonl"
)
def evaluate_retrieval_command(
    context: typer.Context,
    documents: Annotated[Path, typer.Option(help="A folder of documents, or a documents.jsonl.", metavar="DOCS")],
    questions: Annotated[Path, typer.Option(help="Questions with gold_doc_ids, as JSONL.", metavar="FILE")],
    as_json: Json = False,
) -> None:
    """Measure dense, BM25, dense+bm25 and reranked retrieval on any set: nDCG@10, recall@k, MRR@10, MAP."""
    from lorag.use_cases.compare.evaluate_files import evaluate_files

    workspace, params = open_workspace(context)
    with console.standard_output_kept_clean():
        result = evaluate_files(documents, questions, workspace, params)
    console.show(result, lambda: console.show_retrieval(result), as_json=as_json)
