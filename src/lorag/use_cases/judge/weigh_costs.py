"""The break-even of a workspace's strategies, from its ledger, its files and its price book."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lorag.costs.break_even import BreakEven, find_break_even, policy_lines
from lorag.costs.policies import candidates
from lorag.costs.served import find_traffic
from lorag.costs.unit_costs import StoredBytes, Unit, measure
from lorag.errors import IntegrityFailed, ParamsError
from lorag.integrations.stores import WORDS
from lorag.params import Params, StoreKind
from lorag.releases.record import Release
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import Strategy
from lorag.use_cases.judge.read_curves import read_curves
from lorag.use_cases.judge.read_ledger import read_ledger
from lorag.use_cases.judge.read_load import today
from lorag.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def weigh_costs(
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
    unit: Unit,
    load: tuple[float, float] | None = None,
) -> BreakEven:
    """Compute the break-even at current prices, not those of the time of measurement. Raises StoreFailed.

    `load` is the number of updates and of queries a day to price; None takes those of the service's traffic, if any.
    """
    every = read_ledger(workspace, params, environment)
    ledger = every.on_newest_machine()
    measured = measure(ledger, stored_bytes(workspace, params))
    found = find_break_even(measured, unit, params.costs.currency, params.costs.prices, params.break_even)
    share, curves = params.advice.plan_share, read_curves(workspace, params)
    lines = policy_lines(candidates(measured, curves, share, unit, params.costs.prices))
    found = replace(found, n_elsewhere=ledger.n_elsewhere, policies=lines)
    if load is not None:
        return found.priced_at(*load)
    traffic = find_traffic(every, today())
    return found.priced_at(traffic.updates_per_day, traffic.queries_per_day, traffic) if traffic else found


def draw_break_even(found: BreakEven, path: Path) -> None:
    """Write the chart in the format of the file's extension; raise ParamsError for an unknown one."""
    # Matplotlib takes half a second to import.
    from lorag.reports.break_even_plot import plot_break_even

    save_chart(plot_break_even(found), path)


def save_chart(figure: "Figure", path: Path) -> None:
    """Write a chart in the format of the file's extension; raise ParamsError for an unknown one."""
    kind = path.suffix.removeprefix(".").lower()
    known = sorted(figure.canvas.get_supported_filetypes())
    if kind not in known:
        raise ParamsError(
            f"no plot can be written as {path.name!r}", where="--plot", do=f"end it in .{', .'.join(known)}"
        )
    figure.savefig(path)


def stored_bytes(workspace: Workspace, params: Params) -> StoredBytes:
    """Return the bytes of the index, with all retained generations (None for Weaviate), and of the served adapters."""
    index = (
        _size(workspace.state / "lancedb") + _size(workspace.state / WORDS)
        if params.index.store is StoreKind.LANCEDB
        else None
    )
    served = served_or_none(workspace)
    adapters: dict[Strategy, int] = {}
    for kind, entry in served.adapters.items() if served else ():
        adapters[kind.strategy] = _size(workspace.adapters / entry.sha256)
    return StoredBytes(index, adapters)


def served_or_none(workspace: Workspace) -> Release | None:
    """Return the served release; None if nothing is served or its record is damaged, which `lorag doctor` reports."""
    try:
        return ReleaseShelf(workspace.state).served()
    except IntegrityFailed:
        return None


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
