"""Output for people: tables and lines. Results go to standard output, everything else to standard error."""

import io
import json
import logging
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lorag.answering.marks import mark_citations
from lorag.console.source import source_lines, turned_lines
from lorag.costs.remedies import CHANGE_OF_STOP
from lorag.counted import counted
from lorag.errors import LoragError
from lorag.integrations.machine.disk import require_space
from lorag.integrations.machine.local_http import leave_out_proxies
from lorag.integrations.prefect.own_server import start_own_server
from lorag.questions.coverage import Coverage
from lorag.strategies import Strategy

if TYPE_CHECKING:
    # They import numpy, which every command would wait for.
    from lorag.releases.checks import Check
    from lorag.releases.record import Release

_MANY_COLUMNS = 8
_FEW_NAMES, _SHOWN_NAMES = 8, 5
_LONG_AGO_S = 60

_out = Console(highlight=False, soft_wrap=True)


def show_all_characters() -> None:
    r"""Print characters that the terminal cannot show as `\u2013` instead of failing over them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Print one line; no character in it is taken as markup."""
    _out.print(escape(text))


def show_lines(lines: Sequence[str]) -> None:
    """Print lines as they are."""
    for line in lines:
        say(line)


def stream_text(text: str) -> None:
    """Print a part of an answer immediately."""
    sys.stdout.write(text)
    sys.stdout.flush()


def show(result: Mapping[str, Any], for_a_person: Callable[[], None], *, as_json: bool) -> None:
    """Print the result as one JSON object, or let `for_a_person` print it."""
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=True, allow_nan=False) + "\n")
        sys.stdout.flush()
    else:
        for_a_person()


def show_error(error: LoragError, *, as_json: bool) -> None:
    """Print a line, and what more there is, on standard error; with `as_json` also `error` on standard output."""
    sys.stderr.writelines([error.line() + "\n", *(f"  {line}\n" for line in error.more)])
    if as_json:
        # The line was said, whether or not standard output can take this.
        with suppress(OSError):
            sys.stdout.write(json.dumps({"error": error.to_json(), "exit_status": int(error.exit_status)}) + "\n")


def set_up_logging(*, debug: bool) -> None:
    """Set the level of log messages: warnings by default, all messages with --debug."""
    logging.basicConfig(level=logging.DEBUG if debug else logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        # Some libraries set their own levels.
        handler.setLevel(logging.DEBUG if debug else logging.WARNING)
    logging.getLogger("lorag").setLevel(logging.DEBUG if debug else logging.WARNING)
    if not debug:
        # These warnings are for the callers of libraries, such as on names that will change.
        warnings.filterwarnings("ignore", category=FutureWarning)
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def set_up_prefect(state: Path, *, debug: bool) -> None:
    """Set what Prefect reads at import: no analytics, a long start-up timeout, runs stored in the workspace.

    A failed request is repeated after 2, 4 and 8 s instead of Prefect's own 2 to 32 s: a run whose server is gone ends
    after three such requests, because somebody waits for it.
    """
    defaults = {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_CLIENT_MAX_RETRIES": "3",
        "PREFECT_HOME": str(state / "prefect"),
        "PREFECT_LOGGING_LEVEL": "DEBUG" if debug else "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "DO_NOT_TRACK": "1",
    }
    if (state / "run" / "prefect.json").is_file():
        from lorag.use_cases.operate.operate_servers import running_api
        from lorag.workspace import Workspace

        # While the server of `lorag up` runs, another one on the same database would only disturb it.
        if api := running_api(Workspace(state.parent)):
            defaults["PREFECT_API_URL"] = api
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    leave_out_proxies(os.environ)
    # Prefect's server does not create the folder, and then waits in vain for its own database.
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)


def start_prefect(state: Path, *, debug: bool) -> None:
    """Call `set_up_prefect`, then start the server that a flow of this process needs if none is named.

    It is called before Prefect is imported: the server starts in another process meanwhile. Raises StoreFailed if the
    disk is nearly full.
    """
    from lorag.progress import console as progress
    from lorag.progress import show_lines

    require_space(state, (state.parent / "artifacts").glob("*"))
    if progress.is_terminal:
        # It takes seconds, in which a person would think that nothing happens.
        show_lines(["  Starting Prefect"])
    set_up_prefect(state, debug=debug)
    start_own_server()


@contextmanager
def standard_output_kept_clean(*, streaming: bool = False) -> Iterator[None]:
    """Redirect the output of libraries and child processes to standard error; with `streaming`, redirect nothing."""
    if streaming:
        yield
        return
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, n_texts: int = 1, with_lines: bool = True
) -> None:
    """Print rows below a title.

    All columns except the first `n_texts` are aligned right. Tables of eight or more columns are drawn without lines,
    and so are those that need the width for names that must not be broken.
    """
    drawn = Table(title=title, title_justify="left", header_style="bold")
    if len(columns) >= _MANY_COLUMNS or not with_lines:
        drawn.box, drawn.pad_edge, drawn.collapse_padding = SIMPLE_HEAD, False, True
    for number, column in enumerate(columns):
        drawn.add_column(column, justify="left" if number < n_texts else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*(escape(str(cell)) for cell in row))
    Console(highlight=False).print(drawn)


def show_init(root: Path) -> None:
    """Print what to do next in a new workspace."""
    say(f"Made the workspace {root}. Next:")
    say(f"  cd {shlex.quote(str(root))}")
    say("  lorag refresh")
    say('  lorag ask "..."')


def show_refresh(result: Mapping[str, Any]) -> None:
    """Print the plan's counts and the costs of a refresh."""
    plan, cost = result["plan"], result["cost"]
    table(
        f"Release {result['release']} {_what_was_done(result)}",
        ["chunks", "added", "changed", "removed", "kept", "embedded"],
        [[result["n_chunks"], *(plan[key] for key in ("added", "changed", "removed", "kept", "embedded"))]],
    )
    documents = counted(result["n_documents"], "document")
    say(
        f"{documents} in {result['waited_s']:.1f} s; the work itself: {cost['wall_s']:.1f} s, "
        f"{cost['cpu_s']:.1f} CPU s, {cost['peak_rss_mb']:.0f} MB, {cost['kwh'] * 1000:.2f} Wh, "
        f"{cost['money']:.5f} {cost['currency']}"
    )
    if result["recall_at_10"] is not None:
        say(f"recall@10 on the questions: {result['recall_at_10']:.3f}")
    show_lines(turned_lines(result["turned_answers"]))
    if lag := result["embedding_lag_s"]:
        changed = counted(lag["n"], "document")
        say(f"embedding lag of {changed}: {lag['median']:.0f} s, at most {lag['greatest']:.0f} s after the change")
    if result["rejected"]:
        say(f"quarantined, see artifacts/rejected.jsonl: {counted(result['rejected'], 'document')}")
    show_lines(source_lines(result))


def _what_was_done(result: Mapping[str, Any]) -> str:
    if result["published"]:
        return "is published and served"
    return "is served again" if result["served_again"] else "was already current"


def show_retrain(result: Mapping[str, Any]) -> None:
    """Print each adapter's probes and costs."""
    said = "" if result["published"] else " was already current"
    table(
        f"Release {result['release']}{said}",
        ["adapter", "probe", "measured", "limit"],
        [
            [kind if number == 0 else "", name, f"{probe['value']:.3f}", _limit(probe["limit"])]
            for kind, adapter in result["adapters"].items()
            for number, (name, probe) in enumerate(adapter["probes"].items())
        ],
    )
    for kind, adapter in result["adapters"].items():
        cost = adapter["cost"]
        say(
            f"{kind}: {cost['tokens_trained']:,} tokens trained, {cost['wall_s']:.0f} s, {cost['cpu_s']:.0f} CPU s, "
            f"{cost['peak_rss_mb']:.0f} MB, {cost['kwh'] * 1000:.2f} Wh, {cost['money']:.5f} {cost['currency']}"
        )
        if adapter["coverage"]:
            say(f"{kind}: coverage of its training: {Coverage.from_json(adapter['coverage']).line()}")
        if adapter["withdrawn"]:
            say(f"{kind}: {adapter['adapter']} stays rolled back; `lorag rollback RELEASE` serves it again.")


def _limit(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def show_answer(result: Mapping[str, Any]) -> None:
    """Print an answer with its citations; of one from memory that was asked for, and so streamed, what follows it."""
    quoted = result["kind"] == "quoted"
    if quoted:
        say("Quoted, since no sentence clearly supports what the model wrote:")
    if Strategy(result["strategy"]).profile.reads or result.get("routed"):
        # Of one citation everybody knows what it belongs to.
        is_numbered = len(result["citations"]) > 1
        say(mark_citations(result["answer"], result["citations"]).text if is_numbered else result["answer"])
    else:
        sys.stdout.write("\n")
    for numbers, citation, quotes in _by_place(result["citations"]):
        say(f"{' '.join(f'[{number}]' for number in numbers)} {citation['document_id']} ({_age(citation)})")
        if citation["heading"]:
            say(f"    {citation['heading']}")
        if citation["source"] in _CHANGED:
            do = "; `lorag refresh` serves the change" if result["release_served"] else ""
            say(f"    {_CHANGED[citation['source']]}{do}")
        if citation["newer"]:
            say(f"    {citation['newer']} is newer")
        for quote in () if quoted else quotes:
            say(f'    "{" ".join(quote.split())}"')
    for near in result.get("nearest", ()):
        say(f"Nearest: {near['document_id']}{': ' if near['heading'] else ''}{near['heading']}")
        say(f'    "{" ".join(near["quote"].split())[:_LONGEST_NEAR]}"')
    if differing := result.get("differing"):
        say(f"These pages may disagree: [{differing[0]}] and [{differing[1]}] give different values.")
    if result["kind"] == "generated" and not result["supported"]:
        say("From the model's memory: no passage supports this answer.")
    # A declined answer says it itself.
    if (past := result.get("past")) and past["says"] != result["answer"]:
        say(past["says"])
    if routed := result.get("routed"):
        say(f"{result['strategy']} answered: {routed['why']}")
    if result.get("adapter_served") is False:
        say(f"The adapter {result['adapter']} answered, which is not served.")
    cost = result["cost"]
    say(f"release {result['release']} · {result['strategy']} · {cost['wall_s']:.1f} s")


def _by_place(citations: Sequence[Mapping[str, Any]]) -> list[tuple[list[int], Mapping[str, Any], list[str]]]:
    """Return the numbers, the first citation and the quotes of each page and heading, in their order."""
    places: dict[tuple[str, str], tuple[list[int], Mapping[str, Any], list[str]]] = {}
    for number, citation in enumerate(citations, start=1):
        place = (citation["document_id"], citation["heading"])
        numbers, _, quotes = places.setdefault(place, ([], citation, []))
        numbers.append(number)
        if citation["quote"] not in quotes:
            quotes.append(citation["quote"])
    return list(places.values())


_LONGEST_NEAR = 300

_CHANGED = {"changed": "this page changed since", "removed": "this page was removed since"}


def _age(citation: Mapping[str, Any]) -> str:
    """Return the date of the page, the release that brought it, and its version, as far as they are known."""
    facts = [citation["date"]] if citation["date"] else []
    facts += [f"since release {citation['generation']}"] if citation["generation"] else []
    return ", ".join([*facts, f"version {citation['document_version'][:12]}"])


def show_search(result: Mapping[str, Any]) -> None:
    """Print each hit with its place and the start of its text."""
    for number, hit in enumerate(result["hits"], start=1):
        of = f" ({hit['date']})" if hit["date"] else ""
        say(f"{number}. {hit['document_id']}{of}  {hit['score']:.4f}  {hit['context']}")
        say(f"   {' '.join(hit['text'].split())[:300]}")
        if hit["newer"]:
            say(f"   {hit['newer']} is newer")
    if not result["hits"]:
        say("Nothing was found.")
    say(f"release {result['release']}")


def show_retrieval(result: Mapping[str, Any]) -> None:
    """Print a row for each retriever."""
    kinds = [kind for kind in ("dense", "bm25", "fused", "reranked") if result.get(kind)]
    names = list(result[kinds[0]]) if kinds else []
    rows = [[kind, *(f"{result[kind][name]:.4f}" for name in names)] for kind in kinds]
    asked = f"{counted(result['n_questions'], 'question')}, {counted(result['n_documents'], 'document')}"
    table(asked, ["retriever", *names], rows)
    if not result.get("reranked"):
        say("reranked: no cross-encoder is named in search.reranker")


def show_search_params(result: Mapping[str, Any]) -> None:
    """Print a row for each trial, the best first, and how to use the best."""
    names = ["number", "rank", "learning_rate", "dropout", "validation_accuracy", "validation_loss", "epochs", "state"]
    best = result["best"]["number"]
    ranked = sorted(result["trials"], key=lambda row: (row["number"] != best, -(row["validation_accuracy"] or 0)))
    digits = {"validation_accuracy": ".3f", "validation_loss": ".3f", "learning_rate": ".2e"}
    rows = [["" if row[name] is None else format(row[name], digits.get(name, "")) for name in names] for row in ranked]
    headings = ["trial", "rank", "rate", "dropout", "accuracy", "loss", "epochs", "state"]
    table(f"Trials for {result['adapter']}, the best first", headings, rows)
    say("For params.yaml:")
    for line in result["params_yaml"]:
        say(line)
    say(f"Or as an experiment: {result['dvc']}")
    cost = result["cost"]
    say(f"{cost['wall_s'] / 60:.1f} minutes, {cost['money']:.4f} {cost['currency']}, MLflow run {result['mlflow_run']}")


def show_upgrade(result: Mapping[str, Any]) -> None:
    """Print what was changed, file by file."""
    for change in result["changes"]:
        say(f"{change['file']}:")
        for what in change["what"]:
            say(f"  {what}")
    say("Run `lorag refresh` to run what became stale." if result["changes"] else "Nothing to do.")


def show_status(result: Mapping[str, Any]) -> None:
    """Print what is served, and what changed since."""
    say(f"Served: {result['served'] or 'nothing yet'}")
    changes = result["changes"]
    for kind in ("added", "changed", "removed"):
        _show_some(kind, changes[kind])
    _show_some("renamed", [f"{old} -> {new}" for old, new in changes["renamed"]])
    # Kinds of files that are not read follow below.
    rejected = [item for item in result["rejected"] if item["reason"] not in ("unsupported", "forgotten")]
    _show_some("rejected", [f"{item['name']}: {item['reason']}" for item in rejected])
    show_lines(source_lines(result))
    if result["questions_changed"]:
        say("  the questions changed")
    if result["waiting_s"] is not None:
        say(f"The oldest of these changes waits for {result['waiting_s']:,.0f} s.")
    if stale := result["stale_retrieval"]:
        passages = counted(stale["passages"], "passage")
        say(f"Stale retrieval rate: {stale['rate']:.1%} of {passages} that were retrieved from this release.")
    behind = result["withdrawn"] or any(adapter["retrain"] != "not" for adapter in result["adapters"].values())
    fresh = "The index is up to date." if behind else "Up to date."
    say(fresh if result["up_to_date"] else "Run `lorag refresh` to serve the changes.")
    for name, problem in result["models"].items():
        if problem:
            say(f"Model {name}: {problem}")
    for name, state in result["services"].items():
        if not state["running"]:
            say(f"Service {name} has ended; `lorag up` starts it again, and .lorag/run/{name}.log says why")
        elif (state["last_look_s"] or 0) > _LONG_AGO_S:
            say(f"Service {name} looked at the source {state['last_look_s']:.0f} s ago")
    if result["remote"]:
        say(f"Data: {result['remote']}")
    for kind in result["withdrawn"]:
        say(f"Adapter {kind}: out of service, it may have learned from a forgotten document; run `lorag retrain` now")
    for kind, adapter in result["adapters"].items():
        said = "behind, and its retrain was stopped before it began" if adapter["stopped"] else None
        say(f"Adapter {kind} {adapter['id']}: {said or _RETRAIN[adapter['retrain']]}")
        say(f"  {'because of' if adapter['retrain'] == 'now' else 'it is'} {adapter['due']}")
        for sentence in adapter["stopped"]:
            say(f"  stopped by: {sentence}")
        if adapter["stopped"]:
            say(f"  to train it, {CHANGE_OF_STOP}")
        if adapter["coverage"]:
            say(f"  coverage of its training: {Coverage.from_json(adapter['coverage']).line()}")
        if adapter["facts"]:
            say(f"  new or changed: {counted(len(adapter['facts']), 'fact')}, the first is {adapter['facts'][0]}")
        for name in adapter["documents_gone"]:
            say(f"  trained on {name}, which is gone; training.{kind}.start: scratch forgets it")


def _show_some(kind: str, names: Sequence[str]) -> None:
    """Print a few names, a line each; of more only the first ones, and how many there are."""
    few = names if len(names) <= _FEW_NAMES else names[:_SHOWN_NAMES]
    for name in few:
        say(f"  {kind:8} {name}")
    if len(few) < len(names):
        say(f"  {kind:8} {len(names) - len(few):,} more, {len(names):,} in all; --json lists them")


_RETRAIN = {
    "now": "behind, run `lorag retrain` now",
    "scheduled": "behind, and it can wait",
    "not": "up to date",
}


def release_row(release: "Release", *, is_served: bool) -> dict[str, Any]:
    """Return a release as `lorag releases --json` lists it."""
    return {
        "id": release.id,
        "generation": release.generation,
        "served": is_served,
        "created_utc": release.created_utc,
        "n_documents": len(release.documents),
        "n_chunks": release.n_chunks,
        "content_digest": release.content_digest,
        "recall_at_10": release.recall_at_10,
        "git_commit": release.git_commit,
        "adapters": {kind.value: entry.sha256 for kind, entry in release.adapters.items()},
    }


def show_releases(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a row for each release."""
    if not rows:
        say("No release yet: run `lorag refresh`.")
        return
    cells = [
        [
            ("* " if row["served"] else "  ") + row["id"],
            row["created_utc"][:16].replace("T", " "),
            row["n_documents"],
            row["n_chunks"],
            "" if row["recall_at_10"] is None else f"{row['recall_at_10']:.3f}",
            "\n".join(f"{kind} {sha256[:8]}" for kind, sha256 in row["adapters"].items()),
        ]
        for row in rows
    ]
    columns = ["release", "created (UTC)", "documents", "chunks", "recall", "adapters"]
    table("Releases (* is served)", columns, cells, n_texts=2, with_lines=False)


def show_models(result: Mapping[str, Any]) -> None:
    """Print two lines for each language model, and what to do with them."""
    for row in result["models"]:
        facts = [f"{row['n_parameters'] / 1e6:.0f} M parameters"] if row["n_parameters"] else []
        facts.append(f"file {row['file_bytes'] / 1e6:.0f} MB")
        facts += [f"about {row['memory_bytes'] / 1e6:.0f} MB of memory"] if row["memory_bytes"] else []
        facts += [f"context of {row['context_tokens']} tokens"] if row["context_tokens"] else []
        facts.append(f"licence {row['licence'] or 'not stated'}")
        say(f"{'*' if row['in_use'] else ' '} {row['model']}")
        say(f"    {', '.join(facts)}")
        why = f" ({row['not_openvino_because']}, so not by openvino)" if row["not_openvino_because"] else ""
        precision = f" {result['precision']}" if row["engine"] == "openvino" else ""
        speed = row["tokens_per_s"]
        fast = (
            f"reads {speed['read']:.0f} tokens/s, writes {speed['write']:.0f}/s, eight at once {speed['write_8']:.0f}/s"
            if speed
            else "speed not measured here"
        )
        say(f"    run by {row['engine']}{precision}{why}; {fast}")
    if result["endpoint_model"]:
        say(f"* {result['endpoint_model']}, at the endpoint in LORAG_OPENAI_BASE_URL")
    say("* answers. To use another one, set generation.model in params.yaml.")
    if not all(row["tokens_per_s"] for row in result["models"]):
        say("`lorag models --measure` measures the speed.")


def show_checks(checks: Sequence["Check"], mended: Sequence[str]) -> None:
    """Print what was mended, and a line for each check."""
    show_lines([f"mended {what}" for what in mended])
    for check in checks:
        say(f"{'FAILED' if check.problem else 'ok':6} {check.name}: {check.problem or check.detail}")
