"""Measure who answers questions about the past: the fresh index, or the retained releases that the question speaks of.

    .venv/bin/python benchmarks/past.py [--wikipedia FOLDER] [--json out.json]

The versions of the sample knowledge base, or the three dates of the Wikipedia articles, become releases of one
workspace. For each fact that a version changes, its question is asked as "What was ... before the last change?", and
where it has no verb to put into the past, as "...? And before the last change?". Right is a quote that has the answer
of the version before. No model is asked: the quote is the sentence that serving would quote, of the served release
(`fresh`), of the release that the rules choose (`past`), and, as the most that is possible, of the release before for
the plain question (`as_of`). `now` is the plain question to the served release, whose right answer is the new one.
`since` asks "...? Since when?" of the served release: right is the release of the first version that has the answer of
today.
"""

import argparse
import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from lorag.answering.citations import cite
from lorag.answering.sentence_choice import choose_quote, rank_sentences
from lorag.answering.sentence_features import ChosenSentence
from lorag.answering.strategies import Answer
from lorag.evaluation.answers import contains_answer
from lorag.integrations.stores import open_store
from lorag.params import Params
from lorag.params_file import load_params
from lorag.questions.questions import Question, compose, read_questions
from lorag.retrieval.index.store import Filter
from lorag.stages import run_stage
from lorag.strategies import READER
from lorag.use_cases.change_params import change_params
from lorag.use_cases.init_workspace import init_workspace
from lorag.use_cases.refresh import steps
from lorag.use_cases.serve.past import Recalled, recall
from lorag.use_cases.serve.serve import Served, open_served, search_served
from lorag.use_cases.timeline.split_snapshots import snapshot_files, split_snapshots
from lorag.use_cases.timeline.timeline_walk import Version
from lorag.workspace import Workspace

ROOT = Path(__file__).parents[1]
CHANGE = "before the last change"
_TENSES = {"is": "was", "are": "were", "does": "did", "do": "did", "has": "had", "have": "had"}
_VERB = re.compile(rf"\b({'|'.join(_TENSES)})\b", re.IGNORECASE)

Facts = Mapping[str, Question]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--wikipedia", type=Path, help="a folder with documents.jsonl and questions of several dates")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="past_"))
    try:
        versions = sample() if arguments.wikipedia is None else wikipedia(arguments.wikipedia, folder)
        rows = list(measure(versions, folder))
    finally:
        shutil.rmtree(folder)
    print(
        "| version | changed facts | now | fresh | past | declined | as_of | since |\n|---|---|---|---|---|---|---|---|"
    )
    for name, counts in rows:
        shares = (
            f"{counts[each] / counts['n']:.0%}" for each in ("now", "fresh", "past", "declined", "as_of", "since")
        )
        print(f"| {name} | {counts['n']} | {' | '.join(shares)} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(dict(rows), indent=1) + "\n", encoding="utf-8")


def sample() -> list[Version]:
    """Return the versions of the sample knowledge base."""
    folders = sorted((ROOT / "knowledge").glob("v*"))
    return [Version(each.name, each / "documents", each / "questions.jsonl") for each in folders]


def wikipedia(given: Path, folder: Path) -> list[Version]:
    """Return a version for each date."""
    return split_snapshots(*snapshot_files(given), folder / "versions")


def measure(versions: list[Version], folder: Path) -> Iterator[tuple[str, Counter[str]]]:
    """Release one version after the other, and yield the counts of each after the first."""
    source = folder / "source"
    replace_source(source, versions[0])
    workspace = init_workspace(folder / "workspace", source, None)
    change_params(workspace.params_file, {"knowledge": {"source": str(source), "origin": None}})
    params = load_params(workspace.params_file)
    known: list[Facts] = []
    for version in versions:
        replace_source(source, version)
        release(workspace, params)
        known.append({each.fact_id or each.id: each for each in read_questions(version.questions)})
        if len(known) > 1:
            with open_served(workspace, params, {}) as served:
                yield version.name, count(known, served, workspace, params)


def replace_source(source: Path, version: Version) -> None:
    """Let the source hold the documents of a version."""
    shutil.rmtree(source, ignore_errors=True)
    if version.documents.is_dir():
        shutil.copytree(version.documents, source)
    else:
        source.mkdir()
        shutil.copy(version.documents, source / "documents.jsonl")


def release(workspace: Workspace, params: Params) -> None:
    """Index, plan, apply and publish, without DVC and Prefect."""
    for stage in ("versions", "documents", "chunks", "embeddings"):
        run_stage(stage, workspace.root)
    store = open_store(params.index, workspace.state, {})
    try:
        planned = steps.plan(workspace, params, store, rebuild=False, allow_shrink=True)
        ref, report = steps.gate(steps.apply(planned, store, params), planned, workspace, store, params)
        steps.publish(ref, report, planned, workspace, store, params)
    finally:
        store.close()


def count(known: list[Facts], served: Served, workspace: Workspace, params: Params) -> Counter[str]:
    """Return how many changed facts each way answers."""
    now, before = known[-1], known[-2]
    counts: Counter[str] = Counter()
    changed = [name for name in now if name in before and not same(now[name], before[name])]
    with open_served(workspace, params, {}, as_of=str(served.release.generation - 1)) as earlier:
        for name in changed:
            plain, old = compose(now[name].question), before[name].answers
            past = in_past(plain)
            counts["n"] += 1
            counts["now"] += contains_answer(text_of(quote(plain, served, params)), now[name].answers)
            counts["fresh"] += contains_answer(text_of(quote(past, served, params)), old)
            counts["as_of"] += contains_answer(text_of(quote(plain, earlier, params)), old)
            with recall(past, READER, served, workspace, params, Filter(), lambda then: Filter()) as recalled:
                counts["declined"] += recalled.declined is not None
                found = [] if recalled.declined else quote(recalled.question, recalled.served, params)
                counts["past"] += contains_answer(text_of(found), old)
            since = f"{plain} Since when?"
            with recall(since, READER, served, workspace, params, Filter(), lambda then: Filter()) as recalled:
                counts["since"] += since_of(recalled, params) == first_version(known, name)
    return counts


def same(one: Question, other: Question) -> bool:
    """Whether an answer of one is an answer of the other."""
    return any(contains_answer(answer, other.answers) for answer in one.answers)


def first_version(known: list[Facts], name: str) -> int:
    """Return the number, from 1, of the first version since which the fact has its answer."""
    at = len(known)
    while at > 1 and name in known[at - 2] and same(known[at - 2][name], known[-1][name]):
        at -= 1
    return at


def in_past(question: str) -> str:
    """Return the question for what was before the last change."""
    past, n = _VERB.subn(lambda found: _TENSES[found[1].casefold()], question, count=1)
    return f"{past.rstrip('?. ')} {CHANGE}?" if n else f"{question.rstrip('?. ')}? And {CHANGE}?"


def quote(question: str, served: Served, params: Params) -> list[ChosenSentence]:
    """Return what would be quoted."""
    hits = search_served(question, served, params).relevant(params.search.min_similarity)
    chunks = [hit.chunk for hit in hits[: params.answering.context_chunks]]
    return choose_quote(question, rank_sentences(question, chunks, served.searcher.embed) if chunks else [])


def text_of(quotes: list[ChosenSentence]) -> str:
    """Return the words that are quoted."""
    return " ".join(each.text for each in quotes)


def since_of(recalled: Recalled, params: Params) -> int | None:
    """Return the release since which the quoted words are there; None if they are not dated."""
    quotes = quote(recalled.question, recalled.served, params)
    versions = {name: entry.version for name, entry in recalled.served.release.documents.items()}
    cited = tuple(cite(each.chunk, each.start, each.end, versions, each.field) for each in quotes)
    past = recalled.settle(Answer(text_of(quotes), cited, True, False, (), 0, 0))
    return past.generation if past else None


if __name__ == "__main__":
    main()
