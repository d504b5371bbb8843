"""The measured quality by age of the adapter, from a workspace's walk and its comparison."""

from collections.abc import Mapping

from lorag.costs.policies import Curve
from lorag.evaluation.comparison import Comparison
from lorag.evaluation.curves import quality_by_age
from lorag.evaluation.timeline_records import Timeline
from lorag.params import Params
from lorag.strategies import Strategy
from lorag.use_cases.judge.read_reports import find_timeline, read_report
from lorag.workspace import Workspace


def read_curves(workspace: Workspace, params: Params) -> Mapping[Strategy, Curve]:
    """Return the curves of the last walk over all facts; empty if `curves_of` has none."""
    comparison = read_report(workspace.reports / "comparison.json", Comparison.from_json)
    return curves_of(find_timeline(workspace), comparison, params)


def curves_of(timeline: Timeline | None, comparison: Comparison | None, params: Params) -> Mapping[Strategy, Curve]:
    """Return the curves of a walk; empty without one, or if it asked another model than that of params.

    A walk over some facts is none: half of its facts change, so its shares are not those of all.
    """
    if timeline is None or timeline.limit is not None or timeline.model != params.generation.model:
        return {}
    return quality_by_age(timeline, comparison)
