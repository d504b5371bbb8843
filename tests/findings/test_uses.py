"""Each use on evidence made by hand: won by whom it is said, by another, by nobody, and without figures."""

from dataclasses import replace

import pytest

from lorag.costs.ledger import EntryKind, Extent
from lorag.evaluation.timeline_records import Moment
from lorag.findings.evidence import Evidence, Verdict
from lorag.findings.uses import judge_scenarios
from tests.findings.judged import answers, compared, paid, row, update, walked

REFRESHED, RETRAINED = Moment.REFRESHED, Moment.RETRAINED
HOLDS, FAILS, OPEN = Verdict.HOLDS, Verdict.FAILS, Verdict.NOT_MEASURED
HIGH, LOW = (0.8, 0.7, 0.9), (0.3, 0.2, 0.4)
AHEAD, LEVEL = (0.5, 0.4, 0.6), (0.0, -0.1, 0.1)
READS = compared({"rag - tuned": AHEAD}, {"rag": HIGH, "tuned": LOW})
INDEX = update(EntryKind.REFRESH, 5, extent=Extent.INCREMENTAL)
TRAINED = update(EntryKind.RETRAIN, 400, strategy="tuned", extent=Extent.FULL)

CASES: dict[str, tuple[str, Evidence, tuple[str, ...]]] = {
    "rag is right sooner": (
        "Information that changes often",
        walked((row("rag", REFRESHED, fresh_s=5), row("tuned", RETRAINED, fresh_s=300))),
        ("rag",),
    ),
    "the hybrid reads the fresh index with its old adapter": (
        "Information that changes often",
        walked(
            (row("rag", REFRESHED, fresh_s=31.6), row("hybrid", REFRESHED, fresh_s=27.0), row("tuned", RETRAINED)),
            (row("rag", REFRESHED, fresh_s=29.6), row("hybrid", REFRESHED, fresh_s=30.5)),
        ),
        ("rag", "hybrid"),
    ),
    "one that was once not right has lost": (
        "Information that changes often",
        walked(
            (row("rag", REFRESHED, fresh_s=9), row("hybrid", REFRESHED, fresh_s=1)),
            (row("rag", REFRESHED, fresh_s=9), row("hybrid", REFRESHED)),
        ),
        ("rag",),
    ),
    "luck before its retrain does not count": (
        "Information that changes often",
        walked((row("rag", REFRESHED, fresh_s=5), row("tuned", REFRESHED, fresh_s=1))),
        (),
    ),
    "more than a model can read": (
        "A knowledge base far larger than the context",
        replace(READS, corpus_tokens=20_000, context_tokens=1_200),
        ("rag",),
    ),
    "too small to tell": (
        "A knowledge base far larger than the context",
        replace(READS, corpus_tokens=2_000, context_tokens=1_200),
        (),
    ),
    "citations": (
        "Transparent sources",
        compared({"rag - base": AHEAD}, {"base": LOW, "rag": HIGH}, measure="citation_recall"),
        ("rag",),
    ),
    "leaks": (
        "Privacy and removal",
        walked(
            (
                row("rag", REFRESHED, {"removed_leaked": ((0, 0, 0), 20)}),
                row("tuned", REFRESHED, {"removed_leaked": ((0.5, 0.2, 0.8), 20)}),
            )
        ),
        ("rag",),
    ),
    "one removed fact of nine tells nothing": (
        "Privacy and removal",
        walked(
            (
                row("rag", REFRESHED, {"removed_leaked": ((0, 0, 0), 9)}),
                row("hybrid", REFRESHED, {"removed_leaked": ((1 / 9, 0, 0.3), 9)}),
            )
        ),
        ("rag", "hybrid"),
    ),
    "an update of the index is cheaper": (
        "Cost on large data",
        paid(INDEX, TRAINED, answers("rag", 300), answers("tuned", 30)),
        ("rag",),
    ),
    "quicker from memory": (
        "Quick answers",
        paid(answers("rag", 9, p50_s=2), answers("tuned", 9, p50_s=1)),
        ("tuned",),
    ),
    "now one is quicker, now the other": (
        "Quick answers",
        paid(*(answers(name, 9, p50_s=s) for name, s in (("rag", 2), ("rag", 1.4), ("tuned", 1), ("tuned", 1.5)))),
        ("rag", "tuned"),
    ),
    "quicker with a context": (
        "Quick answers",
        paid(answers("rag", 9, p50_s=1), answers("tuned", 9, p50_s=2)),
        ("rag",),
    ),
    "kept facts": (
        "Knowledge that stays as it is",
        compared(kept={"rag": HIGH, "tuned": LOW}, accuracy={"rag": LOW, "tuned": HIGH}),
        ("rag",),
    ),
    "the hybrid ahead of all": (
        "Both at once: the hybrid",
        compared({"hybrid - rag": AHEAD, "hybrid - tuned": AHEAD}, {"rag": LOW, "tuned": LOW, "hybrid": HIGH}),
        ("hybrid",),
    ),
    "the hybrid level with rag": (
        "Both at once: the hybrid",
        compared({"hybrid - rag": LEVEL, "rag - tuned": AHEAD}, {"rag": HIGH, "tuned": LOW, "hybrid": HIGH}),
        ("rag", "hybrid"),
    ),
    "nobody was asked for style": ("Style and tone", READS, ()),
    "style": (
        "Style and tone",
        compared({"tuned - rag": AHEAD}, {"rag": LOW, "tuned": HIGH}, measure="style"),
        ("tuned",),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_use_is_won_by_whom_the_figures_favour(case: str) -> None:
    name, evidence, favoured = CASES[case]
    judged = next(each for each in judge_scenarios(evidence) if each.name == name)
    assert judged.favours == favoured
    expected = OPEN if not favoured else HOLDS if set(favoured) <= set(judged.said) else FAILS
    assert judged.verdict is expected
    assert (judged.do is None) == bool(favoured)
    assert bool(judged.figures) == bool(favoured)


def test_without_evidence_no_use_is_decided() -> None:
    judged = judge_scenarios(Evidence())
    assert len(judged) == 11
    assert {each.verdict for each in judged} == {OPEN}
    assert all(each.do and "lorag " in each.do for each in judged)
