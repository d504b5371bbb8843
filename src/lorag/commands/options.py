"""What several commands share: options, and how these are read."""

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
    """What the options before the command say."""

    start: Path
    debug: bool = False


def open_workspace(context: typer.Context) -> tuple[Workspace, Params]:
    """The workspace that the options name, and its params."""
    workspace = find_workspace(context.obj.start)
    return workspace, load_params(workspace.params_file)


def strategy_named(name: str) -> Strategy:
    """The strategy of that name; raises ParamsError for another."""
    if name in list(Strategy):
        return Strategy(name)
    raise ParamsError(f"no strategy {name!r}", where="--strategy", do=f"choose one of {', '.join(Strategy)}")


def refuse_empty(text: str, what: str) -> None:
    """Raises ParamsError where there is no text."""
    if not text.strip():
        raise ParamsError(f"the {what} is empty", do=f"give the {what} in quotes")


def filter_of(where: list[str] | None, documents: list[str] | None = None) -> Any:
    """The documents that the options let through; raises ParamsError for what is no KEY=VALUE."""
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
