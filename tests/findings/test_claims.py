"""Each claim on evidence made by hand: holding, failing, open, and without figures."""

import pytest

from lorag.costs.ledger import EntryKind, Extent
from lorag.costs.records import Cost, Use
from lorag.evaluation.timeline_records import Moment, TimelineRow
from lorag.findings.claims import CLAIMS, judge_claims
from lorag.findings.evidence import Evidence, Measurement, Verdict
from lorag.strategies import Strategy
from tests.findings.judged import Span, answers, compared, paid, row, update, walked

HOLDS, FAILS, OPEN = Verdict.HOLDS, Verdict.FAILS, Verdict.NOT_MEASURED
WIDE, NARROW = (0.4, 0.3, 0.5), (0.05, 0.01, 0.09)
FAR_BELOW = (-0.4, -0.5, -0.3)
AROUND_0, BELOW_0 = (0.01, -0.04, 0.06), (-0.2, -0.3, -0.1)
REFRESHED, RETRAINED = Moment.REFRESHED, Moment.RETRAINED
NONE, SOME, MOST = (0.0, 0.0, 0.0), (0.1, 0.0, 0.2), (0.6, 0.4, 0.8)


def removed_rows(
    *, base_of: int = 0, rag_of: int = 0, stale_of: int = 10, retrained_of: int = 0, n: int = 10
) -> tuple[TimelineRow, ...]:
    """Of `n` removed facts so many are still answered."""
    asked = [("base", REFRESHED, base_of), ("rag", REFRESHED, rag_of), ("tuned", REFRESHED, stale_of)]
    return tuple(
        row(Strategy(name), moment, {"removed_leaked": ((found / n, found / n, found / n), n)})
        for name, moment, found in [*asked, ("tuned", RETRAINED, retrained_of)]
    )


def removed(*steps: tuple[TimelineRow, ...]) -> Evidence:
    return walked(*(steps or (removed_rows(),)))


def stale(strategy: Strategy, span: Span, n: int = 10) -> TimelineRow:
    return row(strategy, REFRESHED, {"stale": (span, n)})


INDEX = update(EntryKind.REFRESH, 5, extent=Extent.INCREMENTAL)
SLOW_INDEX = update(EntryKind.REFRESH, 500, extent=Extent.INCREMENTAL)
BUILD = update(EntryKind.REFRESH, 5000, extent=Extent.FULL)
TRAINED = update(EntryKind.RETRAIN, 400, strategy="tuned", extent=Extent.FULL, kwh=1e-3)
IDLE = update(EntryKind.RETRAIN, 1, strategy="tuned", extent=Extent.UNCHANGED)
HUNGRY_INDEX = update(EntryKind.REFRESH, 5, extent=Extent.INCREMENTAL, kwh=1.0)

CASES: dict[str, tuple[str, Evidence, Verdict]] = {
    "rag far ahead": ("S1", compared({"tuned - rag": FAR_BELOW, "tuned - base": NARROW}), HOLDS),
    "ahead, but by how much is open": (
        "S1",
        compared({"tuned - rag": (-0.25, -0.3, -0.1), "tuned - base": WIDE}),
        FAILS,
    ),
    "tuning taught nothing for sure": (
        "S1",
        compared({"tuned - rag": FAR_BELOW, "tuned - base": AROUND_0}),
        FAILS,
    ),
    "no tuned adapter": ("S1", compared({"rag - base": WIDE}), OPEN),
    "the order": ("S3", compared({"hybrid - rag": NARROW, "rag - tuned": WIDE, "tuned - base": NARROW}), HOLDS),
    "hybrid and rag are not told apart": (
        "S3",
        compared({"hybrid - rag": (-0.05, -0.12, 0.02), "rag - tuned": WIDE, "tuned - base": NARROW}),
        FAILS,
    ),
    "the hybrid below rag": (
        "S3",
        compared({"hybrid - rag": BELOW_0, "rag - tuned": WIDE, "tuned - base": NARROW}),
        FAILS,
    ),
    "tuned above rag": ("S3", compared({"hybrid - rag": WIDE, "rag - tuned": BELOW_0, "tuned - base": WIDE}), FAILS),
    "without a hybrid": ("S3", compared({"rag - tuned": WIDE, "tuned - base": NARROW}), OPEN),
    "reads no more, hybrid does": (
        "S4",
        compared({"tuned_reading - rag": BELOW_0, "tuned_reading - hybrid": FAR_BELOW}),
        HOLDS,
    ),
    "brought back but not to where it was": (
        "S4",
        compared({"tuned_reading - rag": FAR_BELOW, "hybrid - tuned_reading": NARROW, "hybrid - rag": BELOW_0}),
        FAILS,
    ),
    "still reads": ("S4", compared({"tuned_reading - rag": AROUND_0, "tuned_reading - hybrid": BELOW_0}), FAILS),
    "hybrid no better": ("S4", compared({"tuned_reading - rag": BELOW_0, "tuned_reading - hybrid": AROUND_0}), FAILS),
    "tuned was not asked to read": ("S4", compared({"hybrid - rag": WIDE}), OPEN),
    "a quick index; builds and idle retrains do not count": ("S7", paid(INDEX, IDLE, TRAINED, BUILD), HOLDS),
    "one refresh as slow as a retrain": ("S7", paid(INDEX, SLOW_INDEX, TRAINED), FAILS),
    "quick, but of more energy": ("S7", paid(HUNGRY_INDEX, TRAINED), FAILS),
    "only a build": ("S7", paid(BUILD, TRAINED), OPEN),
    "by the walk": (
        "S7",
        walked(
            (
                row("rag", REFRESHED, cost=Cost(Use(wall_s=3, kwh=1e-5), 0.001, "EUR")),
                row("tuned", RETRAINED, cost=Cost(Use(wall_s=300, kwh=1e-3), 0.1, "EUR")),
            )
        ),
        HOLDS,
    ),
    "a line": ("S8", paid(INDEX, TRAINED, answers("rag", 300), answers("tuned", 30)), HOLDS),
    "rag cheaper everywhere": ("S8", paid(INDEX, TRAINED, answers("rag", 30), answers("tuned", 300)), FAILS),
    "a line at the medians alone": (
        "S8",
        paid(INDEX, TRAINED, answers("rag", 300), answers("rag", 290), answers("rag", 1), answers("tuned", 30)),
        FAILS,
    ),
    "answers by rag alone": ("S8", paid(INDEX, TRAINED, answers("rag", 300)), OPEN),
    "only the stale adapter leaks": ("S9", removed(), HOLDS),
    "over all versions": ("S9", removed(removed_rows(stale_of=0, n=3), removed_rows()), HOLDS),
    "rag leaks too": ("S9", removed(removed_rows(rag_of=6)), FAILS),
    "no more than the base model knows": ("S9", removed(removed_rows(base_of=9)), FAILS),
    "too few to tell": ("S9", removed(removed_rows(stale_of=2, n=2)), FAILS),
    "half stays after the retrain": ("S9", removed(removed_rows(stale_of=9, retrained_of=5, n=9)), FAILS),
    "as in the sample": (
        "S9",
        removed(removed_rows(stale_of=7, retrained_of=5, n=9), removed_rows(stale_of=11, retrained_of=5, n=11)),
        FAILS,
    ),
    "never asked after a retrain": ("S9", removed(removed_rows()[:-1]), OPEN),
    "nothing was removed": ("S9", walked((stale("rag", NONE), stale("tuned", SOME))), OPEN),
    "conflict": ("S10", walked((stale("rag", SOME, 30), stale("hybrid", MOST, 30))), HOLDS),
    "intervals overlap": ("S10", walked((stale("rag", SOME), stale("hybrid", (0.3, 0.15, 0.5)))), FAILS),
    "one of one against none of one tells nothing": (
        "S10",
        walked((stale("rag", NONE, 1), stale("hybrid", (1.0, 1.0, 1.0), 1))),
        FAILS,
    ),
    "all versions together decide": (
        "S10",
        walked((stale("rag", NONE, 2), stale("hybrid", MOST, 2)), (stale("rag", SOME, 9), stale("hybrid", SOME, 9))),
        FAILS,
    ),
    "no hybrid in the walk": ("S10", walked((stale("rag", NONE),)), OPEN),
    "useless contexts harm": (
        "S11",
        compared({"rag_beside - base": BELOW_0, "hybrid_beside - base": FAR_BELOW}, measure="controls"),
        HOLDS,
    ),
    "one that reads is not led astray": (
        "S11",
        compared({"rag_beside - base": BELOW_0, "hybrid_beside - base": AROUND_0}, measure="controls"),
        FAILS,
    ),
    "learned, and not read": (
        "S12",
        compared({"tuned - base": WIDE, "tuned - rag": WIDE, "rag - base": AROUND_0}, measure="style"),
        HOLDS,
    ),
    "whether it is taken over is open": (
        "S12",
        compared({"tuned - base": WIDE, "tuned - rag": WIDE, "rag - base": (0.1, -0.01, 0.3)}, measure="style"),
        FAILS,
    ),
    "taken over from the context": (
        "S12",
        compared({"tuned - base": WIDE, "tuned - rag": NARROW, "rag - base": NARROW}, measure="style"),
        FAILS,
    ),
    "no style was learned": (
        "S12",
        compared({"tuned - base": AROUND_0, "tuned - rag": AROUND_0, "rag - base": AROUND_0}, measure="style"),
        FAILS,
    ),
    "nobody was asked for style": ("S12", compared({"tuned - rag": WIDE}), OPEN),
    "controls without a context": ("S11", compared({"rag - base": BELOW_0}, measure="controls"), OPEN),
}


@pytest.mark.parametrize("case", CASES)
def test_a_claim_is_judged_by_its_rule(case: str) -> None:
    name, evidence, verdict = CASES[case]
    judged = next(each for each in judge_claims(evidence) if each.id == name)
    assert judged.verdict is verdict, judged
    assert (judged.do is None) == (verdict is not OPEN), "what is open says how to measure it, and nothing else does"
    if verdict is HOLDS:
        assert judged.figures, "it says by which figures"


def test_without_evidence_every_claim_is_open_and_says_what_measures_it() -> None:
    judged = judge_claims(Evidence())
    assert [each.id for each in judged] == [f"S{n}" for n in range(1, 13)] == list(CLAIMS)
    assert {each.verdict for each in judged} == {OPEN}
    assert all(each.do and "lorag " in each.do and not each.figures for each in judged)


def test_a_figure_is_told_with_interval_and_unit() -> None:
    assert Measurement("rag - tuned", 0.25, 0.1, 0.4).text == "rag - tuned: 0.250 [0.100, 0.400]"
    assert Measurement("refresh", 5.0, unit="s").text == "refresh: 5 s"


def test_a_difference_is_turned_round() -> None:
    found = compared({"tuned - rag": (-0.3, -0.4, -0.1)}).difference("rag", "tuned", "accuracy")
    assert found is not None
    assert (found.value, found.low, found.high) == (0.3, 0.1, 0.4)
