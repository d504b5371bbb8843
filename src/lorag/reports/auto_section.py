"""The section of a report on the choice of a strategy for each question."""

from collections.abc import Iterator

from lorag.answering.routing import FEATURES
from lorag.evaluation.answer_measures import DESCRIPTIONS
from lorag.evaluation.bootstrap import Estimate
from lorag.evaluation.routing import Routing, Unrouted
from lorag.reports.comparison_plots import plot_risk
from lorag.reports.page import Section, Table
from lorag.strategies import Auto

TITLE = f"{Auto.AUTO}: a strategy for each question"
MIX = "right of all questions"


def auto_section(routing: Routing | Unrouted) -> Section:
    """Return what `auto` would have answered, whether it serves, and how far its chances can be trusted."""
    if isinstance(routing, Unrouted):
        return Section(TITLE, [f"Not judged: {routing.reason}."])
    said = [
        "Each question was answered by the strategy that a router expects to be right, from what the search found for "
        "it; the router was fitted on the other half of the questions. Nothing was generated again. "
        f"The share {MIX} counts facts and general knowledge that are answered right, and questions that "
        "nothing answers that are declined.",
        *verdict_lines(routing),
    ]
    measures = Table(["", Auto.AUTO, f"less {routing.verdict.single}"], list(_measures(routing)))
    chosen_n = {name.value: str(n) for name, n in routing.chosen.items()}
    mix = [[name, _cell(share), chosen_n.get(name, ""), _weights(routing, name)] for name, share in routing.mix.items()]
    chosen = Table(["strategy", MIX, "chosen", f"weights of {', '.join(FEATURES)}"], mix)
    bins = [[f"{expected:.2f}", f"{seen:.2f}", str(n)] for expected, seen, n in routing.calibration.bins]
    expected = Table(["expected", "right", "questions"], bins, "Expected chances, and what came true", folded=True)
    return Section(TITLE, said, [plot_risk(routing)], [chosen, measures, expected])


def verdict_lines(routing: Routing) -> list[str]:
    """Return whether `auto` serves, what it costs, and how far its chances can be trusted."""
    verdict, known = routing.verdict, routing.calibration
    serves = (
        f"{Auto.AUTO} serves: on the {verdict.gain.n} questions that its router never saw, it is right for "
        f"{100 * verdict.gain.value:+.1f} points ({100 * verdict.gain.low:+.1f} to {100 * verdict.gain.high:+.1f}) "
        f"more than {verdict.single}."
    )
    refused = f"{Auto.AUTO} does not serve, {verdict.single} answers instead: {verdict.reason}."
    trust = (
        f"Expected calibration error {known.error:.3f}; area under the curve of risk over coverage {known.area:.3f}."
    )
    seconds = (
        f"An answer takes {verdict.seconds:.2f} s in the mean, of {verdict.single} {verdict.single_seconds:.2f} s; for "
        f"each right answer {verdict.right_seconds:.2f} s and {verdict.single_right_seconds:.2f} s. The seconds are "
        "estimated from tokens and the timed answers."
    )
    return [serves if verdict.reason is None else refused, seconds, trust]


def _measures(routing: Routing) -> Iterator[list[str]]:
    for name in DESCRIPTIONS:
        if name in routing.figures:
            yield [name.replace("_", " "), _cell(routing.figures[name]), _cell(routing.against.get(name), "+")]


def _weights(routing: Routing, name: str) -> str:
    weights = {each.value: values for each, values in routing.router.weights.items()}
    return ", ".join(f"{value:+.2f}" for value in weights.get(name, ()))


def _cell(found: Estimate | None, sign: str = "") -> str:
    if found is None:
        return ""
    form = f"{sign}.3f"
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"
