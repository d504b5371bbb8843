"""The main job on the sample knowledge base: `make demo`."""

import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lorag import face
from lorag.console.terminal import set_up_logging, show_refresh
from lorag.errors import LoragError, WorkspaceError
from lorag.strategies import READER

FOR_A_SLICE: dict[str, Any] = {
    "training_set": {"raft_without_gold_share": 0.25},
    "training": {
        "tuned": {"batch_tokens": 256, "epochs": 5, "continued_epochs": 4},
        "hybrid": {"batch_tokens": 384, "epochs": 1},
    },
    "comparison": {"latency_questions": 4},
    "adapter_gate": {
        "tuned": {"min_new_facts": 0.3, "max_old_loss": 0.2, "max_control_loss": 0.8},
        "hybrid": {"max_old_loss": 0.2, "max_control_loss": 0.8, "max_irrelevant_answered": 0.6},
    },
}
"""The settings for a slice: so few facts make short epochs, and one fact more or less changes a share a lot."""

QUESTION = "What is the mean wind limit of the Tamsin Vey?"
"""A question whose answer changes between the first two versions."""

_console = Console(highlight=False)


@dataclass(frozen=True, slots=True)
class Step:
    """The result of a step of the demo, for the table at the end."""

    title: str
    refresh: dict[str, Any]
    answer: str
    cited: str


def run_demo(root: Path, knowledge: Path) -> None:
    """Refresh from version 1 to 2 of the sample knowledge base, then compare all strategies on a slice of it."""
    if not knowledge.is_dir():
        raise WorkspaceError("no sample knowledge base", where=str(knowledge), do="run this in a clone of the project")
    shutil.rmtree(root, ignore_errors=True)
    source, questions, workspace = root / "documents", root / "questions.jsonl", root / "workspace"
    _install_version(knowledge / "v1", source, questions)
    _say(f"lorag init {workspace} --source {source} --questions {questions}")

    from lorag.use_cases.init_workspace import init_workspace

    init_workspace(workspace, source, questions)
    steps = [_refresh_and_ask("version 1, first build", workspace)]
    _install_version(knowledge / "v2", source, questions)
    steps.append(_refresh_and_ask("version 2, knowledge changed", workspace))
    steps.append(_refresh_and_ask("version 2 again, unchanged", workspace))
    _show_table(steps)
    compared = _compare(root, knowledge, workspace)
    _show_next(workspace, compared)


def _install_version(version: Path, source: Path, questions: Path) -> None:
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(version / "documents", source)
    shutil.copyfile(version / "questions.jsonl", questions)


def _refresh_and_ask(title: str, workspace: Path) -> Step:
    from lorag.params_file import load_params
    from lorag.use_cases.serve.answer import answer_served
    from lorag.workspace import Workspace

    _console.rule(title)
    _say("lorag refresh")
    begun_s = time.monotonic()
    refresh = face.Workspace.open(workspace).refresh().to_json()
    show_refresh({**refresh, "waited_s": time.monotonic() - begun_s})
    _say(f'lorag ask "{QUESTION}"')
    place = Workspace(workspace.resolve())
    result = answer_served(QUESTION, READER, place, load_params(place.params_file), os.environ)
    cited = result.answer.citations[0].document_id if result.answer.citations else "no citation"
    _console.print(f"{escape(result.answer.text)}  [{escape(cited)}]")
    return Step(title, refresh, result.answer.text, cited)


def _compare(root: Path, knowledge: Path, workspace: Path) -> Path:
    """Walk a slice of versions 1 and 2 with all strategies and compare them at the end; return the walk's workspace."""
    from flows.compare_strategies import compare_strategies
    from flows.walk_timeline import walk_timeline
    from lorag.console.compare import show_comparison
    from lorag.console.timeline import show_timeline
    from lorag.strategies import AdapterKind
    from lorag.use_cases.change_params import change_params
    from lorag.use_cases.demo_slice import cut_slice
    from lorag.use_cases.timeline.timeline_walk import read_version

    slices, walk = root / "slice", root / "timeline"
    n_questions = [cut_slice(knowledge / name, slices / name) for name in ("v1", "v2")]
    _console.rule("rag, tuned and hybrid on the same change")
    _console.print(f"A slice of {' and '.join(map(str, n_questions))} facts, because it is also trained on.")
    _console.print(f"params.yaml gets settings for this few facts: {json.dumps(FOR_A_SLICE)}", markup=False)
    change_params(workspace / "params.yaml", FOR_A_SLICE)
    _say(f"lorag timeline {slices}/v1 {slices}/v2 --once hybrid --into {walk}")
    versions = [read_version(slices / name) for name in ("v1", "v2")]
    walked = walk_timeline(str(workspace), versions, str(walk), tuple(AdapterKind), once=[AdapterKind.HYBRID])
    show_timeline(walked.to_json())
    _say(f"lorag --workspace {walk}/workspace compare")
    show_comparison(compare_strategies(str(walk / "workspace")).to_json())
    return walk / "workspace"


def _show_table(steps: Sequence[Step]) -> None:
    table = Table(title="What happened", title_justify="left", header_style="bold")
    for column in ("step", "added", "changed", "removed", "kept", "embedded", "seconds", "Wh"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for step in steps:
        plan, cost = step.refresh["plan"], step.refresh["cost"]
        counts = [str(plan[key]) for key in ("added", "changed", "removed", "kept", "embedded")]
        row = [step.title, *counts, f"{cost['wall_s']:.1f}", f"{cost['kwh'] * 1000:.2f}"]
        table.add_row(*(escape(cell) for cell in row))
    _console.print(table)
    _console.print(f"{QUESTION}")
    for step in steps:
        _console.print(f"  {escape(step.title)}: {escape(step.answer)}  ({escape(step.cited)})")


def _show_next(workspace: Path, compared: Path) -> None:
    _console.print("The results of the comparison on one page, for other loads, and for your own needs:")
    _console.print(f"  {compared}/reports/comparison.html", soft_wrap=True)
    _console.print(f"  .venv/bin/lorag --workspace {compared} break-even", soft_wrap=True)
    _console.print(
        f"  .venv/bin/lorag --workspace {compared} advise --updates-per-day 4 --queries-per-day 2000", soft_wrap=True
    )
    _console.print("Look at the runs in the MLflow UI, and at the flows in the Prefect UI:")
    _console.print(f"  make ui WORKSPACE={compared}")
    _console.print(f"  make prefect-ui WORKSPACE={compared}")
    _console.print("Ask something yourself:")
    _console.print(
        f'  .venv/bin/lorag --workspace {workspace} ask "Who is the custodian of the battery shed?"', soft_wrap=True
    )


def _say(command: str) -> None:
    _console.print(f"$ {escape(command)}", style="bold", soft_wrap=True)


def main() -> None:
    """Run the demo in build/demo; print how long it took."""
    started = time.monotonic()
    set_up_logging(debug=False)
    try:
        run_demo(Path("build/demo"), Path("knowledge"))
    except LoragError as error:
        sys.stderr.write(error.line() + "\n")
        sys.exit(error.exit_status)
    _console.print(f"The demo took {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    main()
