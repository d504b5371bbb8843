"""The description of a run, which MLflow's pages show above its metrics."""

from collections.abc import Mapping

NOTE_TAG = "mlflow.note.content"
"""The tag whose value MLflow shows as the description of a run."""

_KINDS: Mapping[str, str] = {
    "refresh": "A refresh of the index: what it changed (`plan.*`, in chunks), what its gate measured, how long the "
    "changes had waited (`freshness.*`), what it cost. "
    "`refresh.json` has all of it.",
    "retrain": "The training of an adapter, its exam (`probe.*`) and its cost. `probes.json` has the limits. Where the "
    "name ends in (refused), the gate refused the adapter, and it is not served.",
    "search": "A search for better training settings; each trial is a run below this one.",
    "search_trial": "A trial of a search for better training settings.",
    "comparison": "A comparison of the strategies on the same questions; each strategy is a run below this one. "
    "`comparison.html` is the report.",
    "answers": "The answers of one strategy in a comparison: quality, speed, and the cost of all of them.",
    "timeline": "A walk through the versions of the knowledge; steps are versions. `timeline.html` is the report.",
}
_UNITS = (
    "Units: names that end in `_s` are seconds (`cost.cpu_s`: of processors), `cost.wh` watt-hours, `cost.cents` "
    "hundredths of the currency in params, `cost.mb_written` and `cost.peak_rss_mb` megabytes, `cost.tokens_*` tokens. "
    "`cost.kwh`, `cost.money` and `cost.bytes_written` are the same in larger or smaller units. Quality, probes and "
    "retrieval are shares from 0 to 1; the others are counts."
)


def described(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags with a description of the kind of run that `lorag.kind` names, if it is known."""
    kind = _KINDS.get(tags.get("lorag.kind", ""))
    return {**tags, NOTE_TAG: f"{kind}\n\n{_UNITS}"} if kind else dict(tags)
