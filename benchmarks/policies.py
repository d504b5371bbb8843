"""Compare what `lorag plan` predicts of a policy with what a real walk cost and answered.

    .venv/bin/python benchmarks/policies.py [--facts 100] [--updates 30] [--json out.json]
    .venv/bin/python benchmarks/policies.py --smoke     # on the recorded walk of the sample, without a model

Five versions are made from the documentation of KEDA in ../shared/data: each later one changes the default of a sixth
of the parameters that are asked about, and drops one in twenty (`keda_stream.py`). `lorag timeline` walks them, which
retrains both adapters with every version and asks the older ones too. The rules:

- Predicted are the last updates of the walk, from its first ones alone: the median cost of a refresh and of a retrain,
  and the answers by age of the adapter. Of five versions the first three are known, of three the first two.
- Real is what these updates cost and answered in the walk, where the policy retrains. A policy that waits would have
  continued an older adapter than the walk did, over more changes; the cost of its retrain is the walk's all the same.
- The goals: the cost is within 15 %, and the share of right answers, a mean over these updates, within the predicted
  interval of 95 %. What is missed is said. Costs of questions are left out, because both sides would have the same.
- Then 30 updates are simulated from all that was measured, with the range that the least and the greatest costs give.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count, islice
from pathlib import Path
from statistics import mean

from keda_stream import write_versions

from lorag.costs.ledger import Ledger
from lorag.costs.policies import Curve, Policy, Share, policies
from lorag.costs.unit_costs import Band, Measured, StoredBytes, measure
from lorag.evaluation.curves import quality_by_age
from lorag.evaluation.timeline_records import Moment, Timeline, TimelineStep
from lorag.evaluation.walk_ledger import updates_of_walk
from lorag.params_file import load_params
from lorag.strategies import READER, Strategy, Update

ROOT = Path(__file__).parents[1]
RECORDED = ROOT / "docs/reports/sample/timeline.json"
N_VERSIONS = 5
GOAL = 0.15
"""The greatest share by which the real cost may differ from the predicted one."""


@dataclass(frozen=True)
class Course:
    """What some updates cost and answered under a policy; `right` is None where an answer was not measured."""

    cost: Band
    n_retrains: int
    right: Share | None


@dataclass(frozen=True)
class Outcome:
    """A policy with its predicted and its real course."""

    policy: str
    predicted: Course
    real: Course

    @property
    def cost_ratio(self) -> float:
        """The real cost by the predicted one."""
        return self.real.cost.median / self.predicted.cost.median if self.predicted.cost.median else 1.0

    @property
    def keeps_cost(self) -> bool:
        """Whether the real cost is near enough."""
        return abs(self.cost_ratio - 1) <= GOAL

    @property
    def keeps_right(self) -> bool | None:
        """Whether the real answers are within the predicted interval; None if one of them is not known."""
        predicted, real = self.predicted.right, self.real.right
        return predicted.low <= real.value <= predicted.high if predicted and real else None


def main() -> None:
    """Walk, predict, compare; exit with 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--facts", type=int, default=100, help="how many parameters are asked about")
    parser.add_argument("--updates", type=int, default=30, help="how many updates are simulated")
    parser.add_argument("--into", type=Path, help="where the walk is kept, so that it can be continued")
    parser.add_argument("--smoke", action="store_true", help="use the recorded walk of the sample")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.smoke:
        path = RECORDED
    else:
        path = walk(arguments.into or Path(tempfile.mkdtemp(prefix="policies_")), arguments.facts)
    timeline = Timeline.from_json(json.loads(path.read_text(encoding="utf-8")))
    share = load_params(ROOT / "params.yaml").advice.plan_share
    outcomes, simulated = compare(timeline, share), simulate(timeline, share, arguments.updates)
    missed = show(outcomes, simulated, arguments.updates)
    if arguments.json:
        report = {
            "outcomes": [asdict(one) for one in outcomes],
            "simulated": {n: asdict(c) for n, c in simulated.items()},
        }
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if missed else 0)


def walk(folder: Path, n_facts: int) -> Path:
    """Make the versions, walk them in a workspace of its own, and return the report of the walk."""
    versions = write_versions(folder / "versions", N_VERSIONS, n_facts)
    workspace = folder / "workspace"
    lorag = [sys.executable, "-m", "lorag.cli"]
    if not workspace.exists():
        given = ["--source", str(versions[0] / "documents"), "--questions", str(versions[0] / "questions.jsonl")]
        subprocess.run([*lorag, "init", str(workspace), *given], check=True)
    into = folder / "walk"
    names = [str(version) for version in versions]
    subprocess.run([*lorag, "--workspace", str(workspace), "timeline", *names, "--into", str(into)], check=True)
    return into / "reports" / "timeline.json"


def compare(timeline: Timeline, share: float) -> list[Outcome]:
    """Return the last updates of a walk under each policy that its first ones can judge."""
    n_known = (len(timeline.steps) + 1) // 2
    known, rest = replace(timeline, steps=timeline.steps[:n_known]), timeline.steps[n_known:]
    curves, measured = quality_by_age(known, None), measure(Ledger(updates_of_walk(known)), StoredBytes(0, {}))
    found = []
    for policy in policies(curves, share):
        course = foresee(policy, curves[policy.strategy], of(policy.strategy, measured), len(rest))
        if course is not None:
            found.append(Outcome(policy.name, course, look_up(policy, rest)))
    return found


def simulate(timeline: Timeline, share: float, n: int) -> dict[str, Course]:
    """Return `n` updates under each policy, by all that the walk measured."""
    curves = quality_by_age(timeline, None)
    measured = measure(Ledger(updates_of_walk(timeline)), StoredBytes(0, {}))
    courses = {
        policy.name: foresee(policy, curves[policy.strategy], of(policy.strategy, measured), n)
        for policy in policies(curves, share)
    }
    return {name: course for name, course in courses.items() if course is not None}


def of(strategy: Strategy, measured: Sequence[Measured]) -> Measured:
    """Return what was measured of a strategy."""
    return next(one for one in measured if one.strategy is strategy)


def foresee(policy: Policy, curve: Curve, measured: Measured, n: int) -> Course | None:
    """Return what `n` updates after a training will cost and answer; None if no update of that kind was measured.

    The answers are known as far as adapters of that age were asked; then there are none.
    """
    ages = list(islice(ages_of(policy, curve), n))
    n_retrains = sum(age == 0 for age in ages) if policy.strategy.profile.adapter else 0
    reads = Update.REFRESH in policy.strategy.profile.updates
    refreshes = [entry.cost.money for entry in measured.updates[0]] if reads else [0.0]
    retrains = [entry.cost.money for entry in measured.due] if n_retrains else [0.0]
    if not refreshes or not retrains:
        return None
    cost = Band.of(refreshes).times(n) + Band.of(retrains).times(n_retrains)
    states = [curve.trained if age == 0 else curve.aged[age - 1] if age <= len(curve.aged) else {} for age in ages]
    shares = [state.get("accuracy") for state in states]
    return Course(cost, n_retrains, averaged([one for one in shares if one]) if all(shares) else None)


def ages_of(policy: Policy, curve: Curve) -> Iterator[int]:
    """Yield the age of the adapter after each update, 0 where it is retrained; 0 for a strategy without an adapter."""
    age = 0
    for _ in count():
        age += 1
        changed = curve.changed[min(age, len(curve.changed)) - 1] if curve.changed else 0.0
        if policy.strategy.profile.adapter is None or policy.is_due(age, changed):
            age = 0
        yield age


def look_up(policy: Policy, steps: Sequence[TimelineStep]) -> Course:
    """Return what these updates cost and answered in the walk, where the policy retrains."""
    age, n_retrains, cost = 0, 0, 0.0
    shares: list[Share | None] = []
    for step in steps:
        age += 1
        refresh, retrain = paid(step, policy.strategy)
        cost += refresh
        changed = step.changed_since[age - 1] if age <= len(step.changed_since) else 1.0
        if policy.strategy.profile.adapter and policy.is_due(age, changed):
            age, n_retrains, cost = 0, n_retrains + 1, cost + retrain
        shares.append(answered(step, policy.strategy, age))
    known = [one for one in shares if one]
    return Course(Band(cost, cost, cost), n_retrains, averaged(known) if len(known) == len(shares) else None)


def paid(step: TimelineStep, strategy: Strategy) -> tuple[float, float]:
    """Return the money for the refresh, 0 for a strategy that does not read, and for the retrain of a step."""
    money = {(row.strategy, row.moment): row.cost.money for row in step.rows if row.cost}
    refresh = money.get((READER, Moment.REFRESHED), 0.0) if strategy.profile.reads else 0.0
    return refresh, money.get((strategy, Moment.RETRAINED), refresh) - refresh


def answered(step: TimelineStep, strategy: Strategy, age: int) -> Share | None:
    """Return the share of right answers with an adapter of that age; None if it was not asked."""
    moment = Moment.RETRAINED if strategy.profile.adapter and age == 0 else Moment.REFRESHED
    if age <= 1:
        rows = [row.figures for row in step.rows if (row.strategy, row.moment) == (strategy, moment)]
    else:
        rows = [row.figures for row in step.aged if (row.strategy, row.age) == (strategy, age)]
    found = rows[0].get("accuracy") if rows else None
    return Share(found.value, found.low, found.high) if found else None


def averaged(shares: Sequence[Share]) -> Share:
    """Return the mean of values and bounds: the updates ask much the same facts, so their errors go together."""
    return Share(*(mean(getattr(one, part) for one in shares) for part in ("value", "low", "high")))


def show(outcomes: Sequence[Outcome], simulated: Mapping[str, Course], n: int) -> list[str]:
    """Print both tables, and return the sentences on goals that were missed."""
    print(f"{'policy':22} {'predicted':>10} {'real':>10} {'ratio':>6}   right: predicted, real")
    missed: list[str] = []
    for one in outcomes:
        predicted, real = one.predicted, one.real
        print(
            f"{one.policy:22} {predicted.cost.median:10.4f} {real.cost.median:10.4f} {one.cost_ratio:6.2f}   "
            f"{percent(predicted.right)}, {percent(real.right)}"
        )
        if not one.keeps_cost:
            missed.append(f"{one.policy}: the real cost is {one.cost_ratio:.2f} times the predicted one")
        if one.keeps_right is False:
            missed.append(f"{one.policy}: the real answers are outside the predicted interval")
    print(f"\n{n} updates, simulated from the whole walk")
    for name, course in simulated.items():
        cost = course.cost
        print(f"{name:22} {cost.median:10.4f} ({cost.least:.4f} to {cost.greatest:.4f})   {percent(course.right)}")
    print("\n" + ("\n".join(f"MISSED: {line}" for line in missed) or "All goals are met."))
    return missed


def percent(share: Share | None) -> str:
    """Return a share with its interval in percent; a question mark if it is not known."""
    return "?" if share is None else f"{share.value:.0%} ({share.low:.0%} to {share.high:.0%})"


if __name__ == "__main__":
    main()
