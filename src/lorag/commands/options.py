"""The options that several commands share, and their parsing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from lorag.errors import ParamsError
from lorag.params import Params
from lorag.params_file import load_params
from lorag.strategies import Strategy
from lorag.workspace import Workspace, find_workspace

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
    """The values of the options before the command."""

    start: Path
    debug: bool = False


def open_workspace(context: typer.Context) -> tuple[Workspace, Params]:
    """Return the workspace that the options name, and its params."""
    workspace = find_workspace(context.obj.start)
    return workspace, load_params(workspace.params_file)


def strategy_named(name: str) -> Strategy:
    """Return the strategy of that name; raise ParamsError if there is none."""
    if name in list(Strategy):
        return Strategy(name)
    raise ParamsError(f"no strategy {name!r}", where="--strategy", do=f"choose one of {', '.join(Strategy)}")


def refuse_empty(text: str, what: str) -> None:
    """Raise ParamsError if there is no text."""
    if not text.strip():
        raise ParamsError(f"the {what} is empty", do=f"give the {what} in quotes")


def filter_of(where: list[str] | None, documents: list[str] | None = None) -> Any:
    """Return the filter on documents that the options give; raise ParamsError for what is not KEY=VALUE."""
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
