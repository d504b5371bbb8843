import pytest

from lorag.costs.advice import Advice, advise
from lorag.costs.evidence import Stance
from lorag.costs.ledger import EntryKind, Extent, Ledger, LedgerEntry, TimeToFresh
from lorag.costs.needs import Workload
from lorag.costs.unit_costs import StoredBytes, measure
from lorag.params import AdviceParams
from lorag.questions.coverage import Coverage
from lorag.strategies import Strategy
from tests.costs.measured import COSTS, entry

THRESHOLDS = AdviceParams(max_accuracy_loss=0.05, max_update_share=0.5, max_extrapolation=10, plan_share=0.1)
SERVED_CHUNKS = 500


def answers(strategy: Strategy, seconds: float, accuracy: float | None, p95_s: float, **quality: float) -> LedgerEntry:
    known = quality if accuracy is None else {"accuracy": accuracy, **quality}
    return entry(EntryKind.ANSWERS, strategy, cpu_s=seconds, n_queries=100, quality=known, speed={"p95_s": p95_s})


REFRESH = entry(EntryKind.REFRESH, None, cpu_s=20, extent=Extent.INCREMENTAL)
TUNED = entry(EntryKind.RETRAIN, "tuned", cpu_s=1200, wall_s=600, extent=Extent.FULL)
HYBRID = entry(EntryKind.RETRAIN, "hybrid", cpu_s=1600, wall_s=800, extent=Extent.FULL)
BASE_ANSWERS = answers("base", 10, 0.02, 0.1)
RAG_ANSWERS = answers("rag", 100, 0.80, 0.4, citation_precision=0.7, style=0.1)
TUNED_ANSWERS = answers("tuned", 10, 0.78, 0.1, style=0.9)
HYBRID_ANSWERS = answers("hybrid", 110, 0.82, 0.5, citation_precision=0.9, style=0.88)
ALL = (REFRESH, TUNED, HYBRID, BASE_ANSWERS, RAG_ANSWERS, TUNED_ANSWERS, HYBRID_ANSWERS)


def ask(workload: Workload, entries: tuple[LedgerEntry, ...] = ALL, served: int | None = SERVED_CHUNKS) -> Advice:
    ledger = Ledger(entries, fresh=(TimeToFresh("tuned", 5000.0, "fresh-run"),))
    return advise(measure(ledger, StoredBytes(0, {})), workload, served, THRESHOLDS, COSTS)


def said(advice: Advice, strategy: Strategy, stance: Stance) -> str:
    (verdict,) = (one for one in advice.verdicts if one.strategy == strategy)
    return " ".join(finding.sentence for finding in verdict.findings if finding.stance is stance)


@pytest.mark.parametrize(
    ("workload", "strategy"),
    [
        (Workload(10, 10), "rag"),
        (Workload(1, 100_000), "tuned"),
        (Workload(1, 100_000, citations_needed=True), "rag"),
        (Workload(1, 100_000, private_documents=True), "rag"),
        (Workload(1, 10, style_needed=True), "tuned"),
        (Workload(1, 10, style_needed=True, citations_needed=True), "hybrid"),
        (Workload(10, 10, latency_ms=200), "tuned"),
        (Workload(100, 1_000_000), "rag"),
        (Workload(1, 10, citations_needed=True, latency_ms=200), None),
        (Workload(0, 10), "tuned"),
    ],
    ids=[
        "a refresh is cheap",
        "a retrain pays for many cheap questions",
        "memory cites nothing",
        "weights do not forget",
        "documents do not change the voice",
        "only hybrid has voice and citations",
        "only memory is quick enough",
        "a retrain takes longer than the time between changes",
        "nothing both cites and is that quick",
        "without changes the questions alone count",
    ],
)
def test_the_cheapest_of_what_meets_the_needs(workload: Workload, strategy: str | None) -> None:
    assert ask(workload).strategy == strategy


def test_each_reason_carries_its_figure_and_the_run_that_holds_it() -> None:
    advice = ask(Workload(1, 10, citations_needed=True, latency_ms=450))
    rag = next(one for one in advice.verdicts if one.strategy == "rag")
    assert "70% of its citations hold the answer." in said(advice, "rag", Stance.FOR)
    assert "at most 400 ms, of 450 ms allowed" in said(advice, "rag", Stance.FOR)
    assert "up to 500 ms, over 450 ms" in said(advice, "hybrid", Stance.RULES_OUT)
    known = {entry.run_id for entry in ALL}
    assert {finding.run_id for finding in rag.findings} <= known
    assert all(finding.figure is not None for finding in rag.findings)


def test_the_coverage_of_an_adapter_stands_beside_its_accuracy_wherever_it_is_quoted() -> None:
    words = "(its training asked about 18.7% of the documents and 1.7% of the chunks)"
    found = advise_covered(ALL)
    assert f"78.0% of the questions right {words}, hybrid 82.0%." in said(found, "tuned", Stance.AGAINST)
    assert words not in said(found, "hybrid", Stance.FOR)
    covered = {verdict["strategy"]: verdict["coverage"] for verdict in found.to_json()["verdicts"]}
    assert covered["tuned"]["documents"] == 14 and covered["rag"] is None
    weak_rag = answers("rag", 100, 0.50, 0.4)
    found = advise_covered((REFRESH, TUNED, weak_rag, TUNED_ANSWERS))
    assert f"tuned 78.0% {words}." in said(found, "rag", Stance.RULES_OUT)


def advise_covered(entries: tuple[LedgerEntry, ...]) -> Advice:
    measured = measure(Ledger(entries), StoredBytes(0, {}))
    coverage = {Strategy.TUNED: Coverage(14, 75, 15, 880)}
    return advise(measured, Workload(0, 10), SERVED_CHUNKS, THRESHOLDS, COSTS, coverage)


def test_what_speaks_against_the_advised_one_is_said_too() -> None:
    advice = ask(Workload(1, 100_000))
    assert advice.strategy == "tuned"
    assert "78.0% of the questions right, hybrid 82.0%" in said(advice, "tuned", Stance.AGAINST)
    assert "times tuned" in said(advice, "rag", Stance.AGAINST), "the others' price"


def test_a_lead_within_the_spread_of_what_was_measured_is_said_to_be_one() -> None:
    again = (answers("rag", 80, 0.8, 0.4), answers("rag", 140, 0.8, 0.4))
    close = ask(Workload(0.001, 100, citations_needed=True), (*ALL, *again))
    assert close.strategy == "rag"
    assert "and hybrid less than that" in said(close, "rag", Stance.AGAINST)
    assert "less than that" not in said(ask(Workload(10, 10)), "rag", Stance.AGAINST)


def test_much_fewer_right_answers_rule_out_however_cheap() -> None:
    poor = answers("tuned", 10, 0.40, 0.1)
    advice = ask(Workload(1, 100_000), (*ALL[:5], poor, HYBRID_ANSWERS))
    assert advice.strategy == "rag"
    assert "40.0% of the questions right, hybrid 82.0%" in said(advice, "tuned", Stance.RULES_OUT)


def test_a_time_to_fresh_beyond_the_next_change_speaks_against() -> None:
    assert "83.3 min after it was made" in said(ask(Workload(20, 10)), "tuned", Stance.AGAINST)
    assert "83.3 min after it was made" in said(ask(Workload(2, 10)), "tuned", Stance.FOR)


def test_a_larger_corpus_makes_retrains_longer_and_says_that_this_is_assumed() -> None:
    near = ask(Workload(10, 10, corpus_chunks=5 * SERVED_CHUNKS))
    assert "50 min" in said(near, "tuned", Stance.FOR)
    assert "if a retrain grows with the corpus, here 5 times" in said(near, "tuned", Stance.FOR)
    assert not any("extrapolated" in one.what for one in near.missing)
    far = ask(Workload(10, 10, corpus_chunks=20 * SERVED_CHUNKS))
    assert "of the day" in said(far, "tuned", Stance.RULES_OUT)
    assert "An update takes 20 s" in said(far, "rag", Stance.FOR)
    assert any("extrapolated" in one.what for one in far.missing)


def test_nothing_measured_gives_no_advice_but_the_commands_that_measure() -> None:
    advice = ask(Workload(4, 100), (), None)
    assert advice.strategy is None
    assert "too little was measured to choose among rag, tuned, hybrid" in advice.reason
    assert {one.do for one in advice.missing} == {
        "change a document, then lorag refresh",
        "lorag retrain --adapter tuned",
        "lorag retrain --adapter hybrid",
        "lorag compare",
        "lorag timeline",
    }


def test_a_figure_that_was_not_measured_is_asked_for_and_not_made_up() -> None:
    plain = answers("rag", 100, None, 0.4)
    advice = ask(Workload(1, 10, citations_needed=True, style_needed=True), (REFRESH, plain))
    assert {one.what for one in advice.missing} >= {
        "accuracy of rag",
        "style of rag",
        "citation precision of rag",
        "a retrain of hybrid",
        "the time to fresh of rag",
    }
    assert next(one.do for one in advice.missing if one.what == "style of rag").startswith("fill knowledge.style")
    assert advice.strategy is None
    assert "how many hold the answer was not measured" in said(advice, "rag", Stance.FOR)


def test_what_is_left_unmeasured_beside_the_advised_one_is_named() -> None:
    advice = ask(Workload(10, 10), tuple(one for one in ALL if one.strategy != "hybrid"))
    assert advice.strategy == "rag"
    assert "not measured enough to compare: hybrid" in advice.reason
