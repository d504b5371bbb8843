"""The adapters of all earlier versions on the newest one: how quality falls with the age of an adapter."""

from collections.abc import Iterator

from lorag.evaluation.answer_rows import read_answers, write_answers
from lorag.evaluation.bootstrap import Bootstrap
from lorag.evaluation.timeline import changed_share, measure_answers, outdated_answers
from lorag.evaluation.timeline_records import AgedRow, Moment
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.strategies import AdapterKind
from lorag.use_cases.asking.answer_questions import ask_with
from lorag.use_cases.asking.artifacts import load_wanted
from lorag.use_cases.timeline.steps import questions_of, retrain_record, row_record, valid_questions
from lorag.use_cases.timeline.timeline_walk import Step, Walk


def ask_earlier(step: Step, walk: Walk, kind: AdapterKind) -> None:
    """Ask the step's questions with each adapter of an earlier step; what is recorded is not asked again.

    The adapter from before the change is left out, because `steps.ask` asks it.
    """
    for age, sha256 in earlier(step, walk, kind):
        name = _record(kind, age)
        if not step.has(name):
            wanted = load_wanted(walk.workspace)
            folder = AdapterShelf(walk.workspace.adapters).open(sha256)
            questions = questions_of(step, walk, wanted)
            rows = ask_with(kind.strategy, questions, wanted, folder, walk.workspace, walk.params)
            write_answers(step.answers(name), rows)
            step.write(name, {"adapter_sha256": sha256})


def aged_rows(step: Step, walk: Walk, bootstrap: Bootstrap) -> Iterator[AgedRow]:
    """Yield the figures of what `ask_earlier` recorded; what was forgotten is not among them."""
    before = walk.steps[: walk.steps.index(step)]
    outdated = outdated_answers(valid_questions(step), [valid_questions(one) for one in before])
    for kind in walk.adapters:
        for age, sha256 in earlier(step, walk, kind):
            answers = read_answers(step.answers(_record(kind, age)))
            yield AgedRow(kind.strategy, age, sha256, measure_answers(answers, outdated, (), bootstrap))


def changed_since(step: Step, walk: Walk) -> tuple[float, ...]:
    """Return the share of the facts that changed or were removed since one version before, since two, and so on."""
    walked = [valid_questions(one) for one in walk.steps[: walk.steps.index(step) + 1]]
    return tuple(changed_share(walked[at], walked[at + 1 :]) for at in reversed(range(len(walked) - 1)))


def earlier(step: Step, walk: Walk, kind: AdapterKind) -> list[tuple[int, str]]:
    """Return age and sha256 of the adapters that earlier steps published, without the one that was served here."""
    number = walk.steps.index(step)
    found: dict[str, int] = {}
    for at, one in enumerate(walk.steps[:number]):
        name = retrain_record(kind)
        if one.has(name) and (record := one.read(name))["published"]:
            found[record["sha256"]] = number - at
    served = row_record(kind.strategy, Moment.REFRESHED)
    if step.has(served):
        found.pop(step.read(served)["adapter_sha256"], None)
    return [(age, sha256) for sha256, age in found.items()]


def _record(kind: AdapterKind, age: int) -> str:
    return f"{kind}_aged_{age:02}"
