"""The options that several commands share, and their parsing."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lorag.errors import ParamsError
from lorag.params import Params
from lorag.params_file import load_params
from lorag.use_cases.serve.request import filter_on
from lorag.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from lorag.retrieval.index.store import Filter

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object; its keys are in docs/json.md.")]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="A retained release, by id or generation.", metavar="RELEASE")
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        help="Only documents with this value, or with it in a list; may be repeated. Keys are those of the front "
        "matter or of the lines of documents.jsonl; `lorag search --json` shows them in `metadata`.",
        metavar="KEY=VALUE",
    ),
]


@dataclass
class Settings:
    """The values of the options before the command."""

    start: Path
    debug: bool = False
    begun_s: float = 0.0
    """When the command was started, on the clock of `time.monotonic`."""

    @property
    def waited_s(self) -> float:
        """The seconds since then, with all imports and servers that were started."""
        return time.monotonic() - self.begun_s


def open_workspace(context: typer.Context) -> tuple[Workspace, Params]:
    """Return the workspace that the options name, and its params."""
    workspace = find_workspace(context.obj.start)
    params = load_params(workspace.params_file)
    # Here, because whatever is written there first would make it with the rights of any other folder.
    with suppress(OSError):
        workspace.state.mkdir(mode=0o700, exist_ok=True)
    return workspace, params


def filter_of(where: list[str] | None, documents: list[str] | None = None) -> "Filter":
    """Return the filter on documents that the options give; raise ParamsError for what is not KEY=VALUE."""
    return filter_on(documents, pairs_of(where))


def pairs_of(where: list[str] | None) -> list[tuple[str, str]]:
    """Return key and value of each option; raise ParamsError for what is not KEY=VALUE."""
    pairs = []
    for item in where or []:
        key, separator, value = item.partition("=")
        if not separator or not key:
            raise ParamsError(
                f"{item!r} is not KEY=VALUE", where="--where", do="write for example --where team=harbour"
            )
        pairs.append((key, value))
    return pairs
