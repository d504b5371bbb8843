"""The command `lorag`: parse, call one use case, report."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from lorag import console, console_claims, console_compare, console_costs, console_operate, console_timeline
from lorag.costs.unit_costs import Unit
from lorag.errors import ExitStatus, LoragError, ParamsError
from lorag.params import AdapterKind, Params, RetrieverKind, Strategy, load_params
from lorag.workspace import Workspace, find_workspace

app = typer.Typer(
    name="lorag",
    help="Keep a language model's knowledge current, and measure what each update costs.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
evaluate_app = typer.Typer(help="Measure a part of the system on questions with known answers.")
app.add_typer(evaluate_app, name="evaluate")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object; its keys are in docs/json.md.")]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="A retained release, by id or generation.", metavar="RELEASE")
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", help="Only documents with this metadata value; may be repeated.", metavar="KEY=VALUE"),
]


@dataclass
class Settings:
    """What the options before the command say."""

    start: Path
    debug: bool = False


@app.callback()
def main_options(
    context: typer.Context,
    workspace: Annotated[Path, typer.Option(help="The workspace, or a folder inside it.", metavar="DIR")] = Path(),
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and log lines.")] = False,
) -> None:
    """Keep a language model's knowledge current, and measure what each update costs."""
    context.obj = Settings(workspace, debug)
    console.set_up_logging(debug=debug)
    if not workspace.is_dir():
        raise ParamsError("no such folder", where=str(workspace), do="give --workspace a folder")


def _open(context: typer.Context) -> tuple[Workspace, Params]:
    workspace = find_workspace(context.obj.start)
    return workspace, load_params(workspace.params_file)


@app.command(epilog="Example: lorag init handbook --source ~/docs --questions questions.jsonl")
def init(
    folder: Annotated[Path, typer.Argument(help="The folder to make.", metavar="DIR")],
    source: Annotated[Path, typer.Option(help="A folder of documents, or a documents.jsonl.", metavar="DOCS")],
    questions: Annotated[Path | None, typer.Option(help="Questions with known answers.", metavar="FILE")] = None,
    as_json: Json = False,
) -> None:
    """Make a workspace from a folder of documents, ready for `lorag refresh`."""
    from lorag.use_cases.init_workspace import init_workspace

    workspace = init_workspace(folder, source, questions)
    result = {"workspace": str(workspace.root), "source": str(source.resolve())}
    console.show(result, lambda: console.show_init(workspace.root), as_json=as_json)


@app.command(epilog="Example: lorag refresh --json")
def refresh(
    context: typer.Context,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Write the whole index anew.")] = False,
    allow_shrink: Annotated[bool, typer.Option("--allow-shrink", help="Let most of the index go.")] = False,
    as_json: Json = False,
) -> None:
    """Bring the index up to date with the source, at the cost of what changed.

    Exit status 3 says that some documents were quarantined; the good ones are served.
    """
    workspace, _ = _open(context)
    with console.standard_output_kept_clean():
        console.set_up_prefect(workspace.state, debug=context.obj.debug)
        from flows.refresh_index import refresh_index
        from lorag.adapters.import_ahead import import_ahead

        import_ahead()
        outcome = refresh_index(str(workspace.root), rebuild=rebuild, allow_shrink=allow_shrink)
    result = outcome.to_json()
    console.show(result, lambda: console.show_refresh(result), as_json=as_json)
    if outcome.rejected:
        raise typer.Exit(ExitStatus.REJECTED)


@app.command(epilog="Example: lorag retrain --adapter tuned")
def retrain(
    context: typer.Context,
    adapter: Annotated[list[AdapterKind] | None, typer.Option(help="Only this adapter; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Train the adapters on the knowledge as it is now, and serve those that pass their gate.

    Nothing is trained where nothing changed. Exit status 4 says that an adapter failed; the one before it is served.
    """
    workspace, _ = _open(context)
    with console.standard_output_kept_clean():
        console.set_up_prefect(workspace.state, debug=context.obj.debug)
        from flows.retrain_adapter import retrain_adapter

        outcome = retrain_adapter(str(workspace.root), [kind.value for kind in adapter or ()])
    result = outcome.to_json()
    console.show(result, lambda: console.show_retrain(result), as_json=as_json)


@app.command(epilog="Example: lorag compare --limit 30")
def compare(
    context: typer.Context,
    limit: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="A look at so many questions, chosen by hash.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask all strategies the same questions from the served release: quality, speed and cost side by side.

    Answers that are known are not generated again. Nothing is trained: a strategy without an adapter is left out.
    """
    workspace, _ = _open(context)
    with console.standard_output_kept_clean():
        console.set_up_prefect(workspace.state, debug=context.obj.debug)
        from flows.compare_strategies import compare_strategies

        outcome = compare_strategies(str(workspace.root), limit=limit)
    result = outcome.to_json()
    console.show(result, lambda: console_compare.show_comparison(result), as_json=as_json)


@app.command(epilog="Example: lorag timeline knowledge/v1 knowledge/v2 knowledge/v3 --adapter tuned")
def timeline(
    context: typer.Context,
    versions: Annotated[
        list[Path] | None,
        typer.Argument(help="A folder for each version: documents and questions.jsonl.", metavar="DIR..."),
    ] = None,
    snapshots: Annotated[
        Path | None, typer.Option(help="Or one folder whose two files name a version in each line.", metavar="DIR")
    ] = None,
    into: Annotated[Path, typer.Option(help="Where the walk is kept.", metavar="DIR")] = Path("build/timeline"),
    adapter: Annotated[list[AdapterKind] | None, typer.Option(help="Only this adapter; may be repeated.")] = None,
    no_retrain: Annotated[bool, typer.Option("--no-retrain", help="Train no adapter.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, max=1_000_000, help="A look at so many facts.")] = None,
    as_json: Json = False,
) -> None:
    """Walk the versions of the knowledge: what each update cost, how soon answers were right, what was forgotten.

    In a workspace of its own with the settings of this one. A walk that was killed goes on where it was.
    """
    if bool(versions) == bool(snapshots):
        raise ParamsError("no versions, or twice", do="name a folder for each version, or one with --snapshots")
    if no_retrain and adapter:
        raise ParamsError("--no-retrain and --adapter", do="give one of them")
    workspace, params = _open(context)
    from lorag.use_cases.split_snapshots import snapshot_files, split_snapshots
    from lorag.use_cases.timeline_walk import read_version

    given = [read_version(path) for path in versions or ()]
    if snapshots is not None:
        given = split_snapshots(*snapshot_files(snapshots), into.with_name(f"{into.name}_versions"))
    adapters = () if no_retrain else tuple(adapter or params.tuning.adapters)
    with console.standard_output_kept_clean():
        console.set_up_prefect(workspace.state, debug=context.obj.debug)
        from flows.walk_timeline import walk_timeline

        outcome = walk_timeline(str(workspace.root), given, str(into), adapters, limit)
    result = outcome.to_json()
    console.show(result, lambda: console_timeline.show_timeline(result), as_json=as_json)


@app.command(epilog="Example: lorag seeds --adapter hybrid --seeds 3")
def seeds(
    context: typer.Context,
    adapter: Annotated[AdapterKind, typer.Option(help="The adapter to train again.")] = AdapterKind.TUNED,
    n: Annotated[int, typer.Option("--seeds", min=1, max=100, help="How many, that of params.yaml included.")] = 3,
    as_json: Json = False,
) -> None:
    """Train an adapter with other seeds too: how much of its figures is chance.

    On the training set of the last retrain. Nothing that is served changes; the next comparison's report tells it.
    """
    workspace, params = _open(context)
    from lorag.use_cases.vary_seeds import vary_seeds

    with console.standard_output_kept_clean():
        result = vary_seeds(adapter, n, workspace, params).to_json()
    console.show(result, lambda: console_compare.show_seeds(result), as_json=as_json)


@app.command("search-params", epilog="Example: lorag search-params --adapter hybrid --minutes 30")
def search_params_command(
    context: typer.Context,
    adapter: Annotated[AdapterKind, typer.Option(help="The adapter to search for.")] = AdapterKind.TUNED,
    minutes: Annotated[float | None, typer.Option(min=0.01, max=100_000, help="No new trial after so long.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, max=100_000, help="At most so many.")] = None,
    as_json: Json = False,
) -> None:
    """Search for better training settings within a time, and print what to put in params.yaml.

    Trains on the pairs of the last retrain and judges by their validation pairs; changes neither params.yaml nor what
    is served.
    """
    workspace, params = _open(context)
    given = {"minutes": minutes, "trials": trials}
    search = params.parameter_search.model_copy(update={k: v for k, v in given.items() if v is not None})
    params = params.model_copy(update={"parameter_search": search})
    from lorag.use_cases.search_params import search_params

    with console.standard_output_kept_clean():
        result = search_params(adapter, workspace, params, os.environ).to_json()
    console.show(result, lambda: console.show_search_params(result), as_json=as_json)


@app.command(epilog='Example: lorag ask "Who runs the night shift?" --strategy rag')
def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    strategy: Annotated[
        str,
        typer.Option(
            help="base answers from the weights, rag from the index, tuned from trained weights, hybrid from both.",
        ),
    ] = "rag",
    where: Where = None,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Answer a question from the served release, with citations."""
    chosen = _strategy(strategy)
    _refuse_empty(question, "question")
    workspace, params = _open(context)
    from lorag.use_cases.answer import answer_served

    on_text: Callable[[str], None] | None = None if as_json else console.stream_text
    with console.standard_output_kept_clean(streaming=not as_json):
        result = answer_served(
            question, chosen, workspace, params, os.environ, where=_filter(where), as_of=as_of, on_text=on_text
        )
    console.show(result.to_json(), lambda: console.show_answer(result.to_json()), as_json=as_json)


@app.command(epilog='Example: lorag search "berth allocation" --retriever hybrid -k 3')
def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="What to look for, in quotes.")],
    top_k: Annotated[int | None, typer.Option("--top-k", "-k", min=1, max=1000, help="How many chunks.")] = None,
    retriever: Annotated[RetrieverKind | None, typer.Option(help="How to look.")] = None,
    where: Where = None,
    document: Annotated[list[str] | None, typer.Option(help="Only this document; may be repeated.")] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Compare with every vector.")] = False,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Show the chunks that a question would be answered from."""
    _refuse_empty(query, "query")
    workspace, params = _open(context)
    from lorag.use_cases.answer import search_workspace

    update = {"top_k": top_k, "retriever": retriever, "candidates": max(top_k or 0, params.search.candidates)}
    params = params.model_copy(
        update={"search": params.search.model_copy(update={k: v for k, v in update.items() if v is not None})}
    )
    with console.standard_output_kept_clean():
        result = search_workspace(
            query, workspace, params, os.environ, where=_filter(where, document), as_of=as_of, exact=exact
        )
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
    """Measure dense, BM25, hybrid and reranked retrieval on any set: nDCG@10, recall@k, MRR@10, MAP."""
    from lorag.use_cases.evaluate_files import evaluate_files

    workspace, params = _open(context)
    with console.standard_output_kept_clean():
        result = evaluate_files(documents, questions, workspace, params)
    console.show(result, lambda: console.show_retrieval(result), as_json=as_json)


@app.command(epilog="Example: lorag status --json")
def status(context: typer.Context, as_json: Json = False) -> None:
    """Say what is served, and what changed in the source since."""
    from lorag.use_cases.status import read_status

    workspace, params = _open(context)
    result = read_status(workspace, params).to_json()
    console.show(result, lambda: console.show_status(result), as_json=as_json)


@app.command(epilog="Example: lorag costs --last 10")
def costs(
    context: typer.Context,
    last: Annotated[int, typer.Option(min=1, max=100_000, help="How many rows to show, the newest.")] = 20,
    reprice: Annotated[bool, typer.Option("--reprice", help="At the prices of params.yaml as they are now.")] = False,
    as_json: Json = False,
) -> None:
    """List what every update and every batch of answers cost, newest first, with totals."""
    from lorag.use_cases.read_ledger import read_ledger

    workspace, params = _open(context)
    with console.standard_output_kept_clean():
        ledger = read_ledger(workspace, params, os.environ)
    result = (ledger.repriced(params.costs) if reprice else ledger).to_json(last)
    console.show(result, lambda: console_costs.show_costs(result), as_json=as_json)


@app.command("break-even", epilog="Example: lorag break-even --plot break_even.png")
def break_even_command(
    context: typer.Context,
    unit: Annotated[Unit, typer.Option(help="Add up money, or the seconds that processors worked.")] = Unit.MONEY,
    plot: Annotated[Path | None, typer.Option(help="Draw the chart to this file.", metavar="FILE")] = None,
    as_json: Json = False,
) -> None:
    """Say which strategy is the cheapest over updates a day x queries a day, from what was measured."""
    from lorag.use_cases.weigh_costs import draw_break_even, weigh_costs

    workspace, params = _open(context)
    with console.standard_output_kept_clean():
        found = weigh_costs(workspace, params, os.environ, unit)
        if plot is not None:
            draw_break_even(found, plot)
    result = found.to_json() | {"plot": None if plot is None else str(plot)}
    console.show(result, lambda: console_costs.show_break_even(result), as_json=as_json)


@app.command(epilog="Example: lorag claims --timeline build/timeline --json")
def claims(
    context: typer.Context,
    timeline: Annotated[
        Path | None,
        typer.Option(help="The folder of a walk; the last one over all facts if left out.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which claims on RAG and fine-tuning hold here, and which way suits which use, from what was measured.

    Nothing is run for it: a claim without figures is printed with the command that measures it.
    """
    from lorag.use_cases.judge_claims import judge_workspace

    workspace, params = _open(context)
    with console.standard_output_kept_clean():
        result = judge_workspace(workspace, params, os.environ, timeline).to_json()
    console.show(result, lambda: console_claims.show_claims(result), as_json=as_json)


@app.command(epilog="Example: lorag advise --updates-per-day 4 --queries-per-day 2000 --citations-needed")
def advise(
    context: typer.Context,
    updates_per_day: Annotated[
        float | None, typer.Option(min=0, max=1e9, help="How often the documents change.")
    ] = None,
    queries_per_day: Annotated[float | None, typer.Option(min=0, max=1e9, help="How often something is asked.")] = None,
    corpus_chunks: Annotated[int | None, typer.Option(min=1, help="The size; of what is served if left out.")] = None,
    citations_needed: Annotated[bool, typer.Option("--citations-needed", help="Answers must name passages.")] = False,
    private_documents: Annotated[
        bool, typer.Option("--private-documents", help="What is removed must be gone at once.")
    ] = False,
    style_needed: Annotated[bool, typer.Option("--style-needed", help="Answers must keep a voice.")] = False,
    latency_ms: Annotated[float | None, typer.Option(min=1, max=1e9, help="95 % of answers within so long.")] = None,
    pending: Annotated[bool, typer.Option("--pending", help="Advise on the changes that wait now.")] = False,
    as_json: Json = False,
) -> None:
    """Say which strategy a workload asks for, or what the pending changes ask for, with the measured figures."""
    from lorag.costs.needs import Workload
    from lorag.use_cases.advise import advise_pending, advise_workload

    workload = None
    if updates_per_day is not None and queries_per_day is not None:
        needs = (citations_needed, private_documents, style_needed, latency_ms)
        workload = Workload(updates_per_day, queries_per_day, corpus_chunks, *needs)
    elif not pending:
        raise ParamsError("no workload", do="give --updates-per-day and --queries-per-day, or --pending")
    workspace, params = _open(context)
    with console.standard_output_kept_clean():
        advice = advise_workload(workload, workspace, params, os.environ) if workload else None
        change = advise_pending(workspace, params, os.environ) if pending else None
    result = {"advice": advice and advice.to_json(), "pending": change and change.to_json()}
    console.show(result, lambda: console_costs.show_advice(result), as_json=as_json)


@app.command(epilog="Example: lorag releases")
def releases(context: typer.Context, as_json: Json = False) -> None:
    """List the retained releases, newest first."""
    from lorag.releases.shelf import ReleaseShelf

    workspace, _ = _open(context)
    shelf = ReleaseShelf(workspace.state)
    served = shelf.served_id()
    rows = [console.release_row(release, is_served=release.id == served) for release in shelf.releases()]
    console.show({"served": served, "releases": rows}, lambda: console.show_releases(rows), as_json=as_json)


@app.command(epilog="Example: lorag rollback 3")
def rollback(
    context: typer.Context,
    release: Annotated[str | None, typer.Argument(help="An id or a generation; the one before if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Serve an older release again, at once; the next refresh follows the source again."""
    from lorag.use_cases.manage_releases import roll_back

    workspace, params = _open(context)
    target = roll_back(workspace, params, os.environ, release)
    result = {"release": target.id, "generation": target.generation, "content_digest": target.content_digest}
    console.show(result, lambda: console.say(f"Release {target.id} is served."), as_json=as_json)


@app.command(epilog="Example: lorag doctor --json")
def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Check tools, models and every byte of the retained releases; exit status 7 where one is damaged."""
    from lorag.use_cases.examine import examine

    workspace, params = _open(context)
    with console.standard_output_kept_clean():
        checks = examine(workspace, params, os.environ)
    result: dict[str, Any] = {"healthy": not any(c.problem for c in checks), "checks": [asdict(c) for c in checks]}
    console.show(result, lambda: console.show_checks(checks), as_json=as_json)
    if not result["healthy"]:
        raise typer.Exit(ExitStatus.INTEGRITY)


@app.command(epilog="Example: lorag up --json")
def up(context: typer.Context, as_json: Json = False) -> None:
    """Start Prefect server, MLflow UI, worker and watcher in the background, with all flows deployed.

    Refreshes then come by themselves. What runs already goes on.
    """
    from lorag.use_cases.operate import start_all

    workspace, params = _open(context)
    # What a command of a person wants of Prefect, such as silence, is not for what goes on in the background.
    environment = dict(os.environ)
    with console.standard_output_kept_clean():
        console.set_up_prefect(workspace.state, debug=context.obj.debug)
        result = start_all(workspace, params, environment).to_json()
    console.show(result, lambda: console_operate.show_operation(result), as_json=as_json)


@app.command(epilog="Example: lorag down")
def down(context: typer.Context, as_json: Json = False) -> None:
    """Stop what `lorag up` started; the served release stays, and answers go on."""
    from lorag.use_cases.operate import stop_all

    # Whatever params.yaml has become meanwhile.
    stopped = stop_all(find_workspace(context.obj.start))
    console.show({"stopped": stopped}, lambda: console_operate.show_stopped(stopped), as_json=as_json)


@app.command(epilog="Example: lorag deploy --json")
def deploy(context: typer.Context, as_json: Json = False) -> None:
    """Register the deployments of prefect.yaml with the schedules of params.yaml; again after either was changed."""
    from lorag.use_cases.deploy_flows import deploy_flows

    workspace, params = _open(context)
    with console.standard_output_kept_clean():
        console.set_up_prefect(workspace.state, debug=context.obj.debug)
        result = deploy_flows(workspace, params, os.environ).to_json()
    console.show(result, lambda: console_operate.show_deployed(result), as_json=as_json)


@app.command(epilog="Example: lorag watch --poll 60")
def watch(
    context: typer.Context,
    poll: Annotated[
        float | None, typer.Option(min=0.1, max=1e6, help="Look every so many seconds; schedules.poll_s if left out.")
    ] = None,
) -> None:
    """Tell the Prefect server when the documents or the questions change, until it is stopped; `lorag up` runs this."""
    from lorag.use_cases.operate import say_ready
    from lorag.use_cases.watch_knowledge import watch_knowledge

    workspace, params = _open(context)
    console.set_up_prefect(workspace.state, debug=context.obj.debug)
    poll = params.schedules.poll_s if poll is None else poll
    watch_knowledge(workspace, params, poll, lambda: say_ready(workspace, "watch", os.getpid()))


@app.command(epilog="Example: lorag worker")
def worker(context: typer.Context) -> None:
    """Run what the Prefect server schedules for this workspace, until it is stopped; `lorag up` runs this."""
    from lorag.use_cases.operate import say_ready

    workspace = find_workspace(context.obj.start)
    console.set_up_prefect(workspace.state, debug=context.obj.debug)
    from lorag.adapters.prefect_server import workspace_name
    from lorag.adapters.prefect_worker import run_worker

    flows = ["flows.refresh_index", "flows.retrain_adapter"]
    run_worker(workspace_name(workspace.root), flows, lambda: say_ready(workspace, "worker", os.getpid()))


def _strategy(name: str) -> Strategy:
    names = get_args(Strategy)
    if name in names:
        return name  # type: ignore[return-value]
    raise ParamsError(f"no strategy {name!r}", where="--strategy", do=f"choose one of {', '.join(names)}")


def _refuse_empty(text: str, what: str) -> None:
    if not text.strip():
        raise ParamsError(f"the {what} is empty", do=f"give the {what} in quotes")


def _filter(where: list[str] | None, documents: list[str] | None = None) -> Any:
    from lorag.retrieval.index.store import Filter

    pairs = []
    for item in where or []:
        key, separator, value = item.partition("=")
        if not separator or not key:
            raise ParamsError(
                f"{item!r} is not KEY=VALUE", where="--where", do="write for example --where team=harbour"
            )
        pairs.append((key, value))
    return Filter(tuple(documents or ()), tuple(pairs))


def main() -> None:
    """Runs the command; every failure is one line and a fixed exit status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str], environment: Mapping[str, str] = os.environ) -> int:
    """The exit status of `lorag ARGUMENTS`."""
    debug, as_json = "--debug" in arguments, "--json" in arguments
    try:
        status = app(arguments or ["--help"], prog_name="lorag", standalone_mode=False)
        return int(status or 0)
    except LoragError as error:
        if debug:
            raise
        console.show_error(error, as_json=as_json)
        return int(error.exit_status)
    except typer.Exit as error:
        return int(error.exit_code)
    except typer.TyperException as error:
        what = error.format_message() if hasattr(error, "format_message") else str(error)
        # The deepest command that was understood; none where the options before it were not.
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "lorag"
        console.show_error(ParamsError(" ".join(what.split()), do=f"see `{command} --help`"), as_json=as_json)
        return int(ExitStatus.USAGE)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("interrupted; the served release is as it was\n")
        return 130
    except BrokenPipeError:
        # The reader has gone, as with `| head`: nobody is there to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if debug:
            raise
        from lorag.errors import StoreFailed

        console.show_error(StoreFailed(f"{error.strerror or error}", where=str(error.filename or "")), as_json=as_json)
        return int(ExitStatus.STORE)
    except Exception as error:
        # The last resort: a defect of lorag itself, of which a person sees one line and a developer all of it.
        if debug:
            raise
        if "prefect" in sys.modules and (lost := _lost_server(error, environment)):
            console.show_error(lost, as_json=as_json)
            return int(lost.exit_status)
        unexpected = LoragError(
            f"unexpected {type(error).__name__}: {error}"[:500], do="run it again with `lorag --debug` and report that"
        )
        console.show_error(unexpected, as_json=as_json)
        return int(ExitStatus.DEFECT)


def _lost_server(error: Exception, environment: Mapping[str, str]) -> LoragError | None:
    from lorag.adapters.prefect_errors import lost_server

    return lost_server(error, environment)


if __name__ == "__main__":
    main()
