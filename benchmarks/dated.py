"""Measure stale answers where old and new pages are indexed together, with `search.prefer_newer` and without.

    .venv/bin/python benchmarks/dated.py [--data FOLDER] [--only SET] [--json out.json]

No model is asked: it is counted what the first hit holds, and what the quoted text does. Right is a text with the
newest answer, stale is one with an older answer and without the newest. Pages are halved by a hash of their names:
settings were chosen on one half (tuning) and are reported on the other (test). The half decides which questions are
asked; all pages are indexed. Intervals are bootstraps over pages.

- wikipedia: 60 articles at three dates. Only `date` tells them apart: ids are numbers of revisions.
- keda: the three versions of the documentation in folders of their names. No default value changes between them.
- keda stream: three versions in folders in which a sixth of the values changes each time (`keda_stream.py`).
- xquad: a control. Passages that share the title of their article get dates at random, so a date says nothing.

Where a version or a date is named in the question, right is what that version says.
"""

# ruff: noqa: E402 - the folder of the peers must be on the path first.

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "benchmarks"), str(ROOT / "benchmarks/peers")]

from answers import BOOTSTRAP, SPLITS, Case, parameter_in, read_keda, read_rows
from corpus import knowledge_params, read_params
from keda_stream import write_versions

from lorag.answering.sentence_choice import choose_quote, rank_sentences
from lorag.answering.sentence_features import EmbedTexts
from lorag.evaluation.answers import contains_answer
from lorag.evaluation.bootstrap import Part
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.lancedb.index import LanceDbIndex
from lorag.integrations.models.embedder_tokenizer import load_token_counter
from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.models.files import resolve_model
from lorag.params import Params, SearchParams
from lorag.retrieval.embed import embed_texts
from lorag.retrieval.index.store import Hit, IndexRow
from lorag.retrieval.search import Searcher
from lorag.use_cases.refresh.pipeline import chunk_corpus, read_source

STREAM_VERSIONS = ("2.13", "2.14", "2.15")
STREAM_FACTS = 300
SEED = 7


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a stratum, with the answers that are right and those that were right at another time."""

    case: Case
    stratum: str
    stale: tuple[str, ...] = ()

    def is_stale(self, text: str) -> bool:
        """Whether the text holds an answer of another time, and none that is right."""
        return not self.case.is_answered_by(text) and replace(self.case, answers=self.stale).is_answered_by(text)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--only", choices=SETS)
    parser.add_argument("--cache", type=Path, help="a file that keeps the vectors for the next run")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: {arguments.data} is not on this machine")
        return
    params = read_params()
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="dated_") as made:
        folder = Path(made)
        with BlobCache(arguments.cache or folder / "cache.sqlite") as cache:
            embedder = open_embedder(params.embedding)

            def embed(texts: Sequence[str]) -> Any:
                return embed_texts(texts, embedder, cache, batch_tokens=params.embedding.batch_tokens)[0]

            for name in [arguments.only] if arguments.only else SETS:
                (folder / name).mkdir()
                source, asked = SETS[name](arguments.data, folder / name)
                results += measure(name, source, asked, folder / name / "index", params, embed, cache)
    show(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def read_wikipedia(data: Path, folder: Path) -> tuple[Path, list[Asked]]:
    """Write the articles of all dates as records, and return them with the questions."""
    found = data / "wikipedia_snapshots_a"
    rows = read_rows(found / "documents.jsonl")
    records = [
        {"id": str(row["revision_id"]), "title": row["title"], "date": row["revision_timestamp"], "text": row["text"]}
        for row in rows
    ]
    facts: dict[str, dict[str, dict[str, Any]]] = {}
    for row in read_rows(found / "questions_derived.jsonl"):
        facts.setdefault(row["fact_id"], {})[row["version"]] = row
    asked = []
    for fact, versions in facts.items():
        *_, before, newest = (versions[key] for key in sorted(versions))
        every = [tuple(row["answers"]) for row in versions.values()]
        case = Case(newest["question"], tuple(newest["answers"]), fact.split("#")[0], "")
        asked += ask(case, every, newest["change"] == "changed")
        if before["answers"] != newest["answers"]:
            named = replace(case, question=f"{case.question[:-1]} as of 2023-12-31?", answers=tuple(before["answers"]))
            asked.append(Asked(named, "changed, date named", others(named.answers, every)))
    return write_records(folder / "documents.jsonl", records), asked


def read_versions(data: Path, folder: Path) -> tuple[Path, list[Asked]]:
    """Copy the three versions into one folder, and return it with the questions."""
    newest, cases = read_keda(data)
    shutil.copytree(newest.parent, folder / "docs")
    return folder / "docs", [Asked(case, "unchanged") for case in cases]


def read_stream(data: Path, folder: Path) -> tuple[Path, list[Asked]]:
    """Write versions whose values change into one folder, and return it with the questions."""
    made = write_versions(folder / "made", len(STREAM_VERSIONS), STREAM_FACTS, data / "keda_2.13-2.15")
    facts: dict[str, dict[str, dict[str, Any]]] = {}
    for version, each in zip(STREAM_VERSIONS, made, strict=True):
        shutil.copytree(each / "documents", folder / "docs" / version)
        for row in read_rows(each / "questions.jsonl"):
            facts.setdefault(row["fact_id"], {})[version] = row
    asked = []
    for versions in facts.values():
        if STREAM_VERSIONS[-1] not in versions:
            continue
        first, *_, newest = (versions[key] for key in STREAM_VERSIONS)
        every = [tuple(row["answers"]) for row in versions.values()]
        case = Case(
            newest["question"], tuple(newest["answers"]), newest["gold_doc_ids"][0], parameter_in(newest["question"])
        )
        asked += ask(case, every, len(set(every)) > 1)
        if len(set(every)) > 1:
            named = f"{case.question[:-1]} in version {STREAM_VERSIONS[0]}?"
            then = replace(case, question=named, answers=tuple(first["answers"]))
            asked.append(Asked(then, "changed, version named", others(then.answers, every)))
    return folder / "docs", asked


def read_control(data: Path, folder: Path) -> tuple[Path, list[Asked]]:
    """Write the passages with dates at random, and return them with the questions."""
    found = data / "xquad_en"
    draw = random.Random(SEED)
    records = []
    for row in read_rows(found / "documents.jsonl"):
        day = date(2020, 1, 1) + timedelta(days=draw.randrange(2_000))
        records.append({"id": row["id"], "title": row["title"], "date": day.isoformat(), "text": row["text"]})
    titles = {record["id"]: record["title"] for record in records}
    asked = [
        Asked(Case(row["question"], tuple(row["answers"]), titles[row["gold_doc_ids"][0]], ""), "unrelated dates")
        for row in read_rows(found / "questions.jsonl")
    ]
    return write_records(folder / "documents.jsonl", records), asked


SETS: Mapping[str, Callable[[Path, Path], tuple[Path, list[Asked]]]] = {
    "wikipedia": read_wikipedia,
    "keda": read_versions,
    "keda stream": read_stream,
    "xquad": read_control,
}


def ask(case: Case, every: Sequence[tuple[str, ...]], is_changed: bool) -> Iterator[Asked]:
    """Yield the question on the newest answer; not if the fact changed and no older answer is another one."""
    stale = others(case.answers, every)
    if not is_changed:
        yield Asked(case, "unchanged")
    elif stale:
        yield Asked(case, "changed", stale)


def others(right: Sequence[str], every: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the answers of other times that do not contain a right one."""
    return tuple(text for answers in every for text in answers if not contains_answer(text, right))


def write_records(path: Path, records: Sequence[Mapping[str, str]]) -> Path:
    """Write the records and return the path."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def measure(
    name: str, source: Path, asked: Sequence[Asked], folder: Path, params: Params, embed: EmbedTexts, cache: BlobCache
) -> list[dict[str, Any]]:
    """Return the shares of right and stale texts for each half, stratum and ranking, and the gain of the ranking."""
    documents = read_source(source.resolve(), knowledge_params(), cache).documents
    tokens = load_token_counter(resolve_model(params.embedding.model))
    chunks = chunk_corpus(documents, params.chunking, tokens, "here", cache, lambda n: None)
    vectors = embed([chunk.embedded_text for chunk in chunks])
    store = LanceDbIndex(folder, params.index.ann_from_rows)
    rows = [IndexRow(chunk, "here", vector) for chunk, vector in zip(chunks, vectors, strict=True)]
    searcher = Searcher(store, store.write_generation(None, "dated", 1, rows, ()), embed)
    results = []
    for split in SPLITS:
        half = [each for each in asked if each.case.split == split]
        for stratum in dict.fromkeys(each.stratum for each in half):
            chosen = [each for each in half if each.stratum == stratum]
            plain, newer = (
                _parts(chosen, searcher, params, params.search.model_copy(update={"prefer_newer": on}), embed)
                for on in (False, True)
            )
            for measure_, parts in plain.items():
                for ranking, estimate in (
                    ("plain", BOOTSTRAP.estimate(parts)),
                    ("prefer_newer", BOOTSTRAP.estimate(newer[measure_])),
                    ("difference", BOOTSTRAP.difference(newer[measure_], parts)),
                ):
                    row = {"set": name, "split": split, "stratum": stratum, "measure": measure_, "ranking": ranking}
                    results.append(row | (asdict(estimate) if estimate else {}))
    store.close()
    return results


def _parts(
    asked: Sequence[Asked], searcher: Searcher, params: Params, search: SearchParams, embed: EmbedTexts
) -> dict[str, list[Part]]:
    parts: dict[str, list[Part]] = {}
    for each in asked:
        hits = searcher.search([each.case.question], search).hits
        for what, text in (("first hit", _first(hits)), ("quote", _quote(each.case.question, hits, params, embed))):
            for kind, counts in (("right", each.case.is_answered_by(text)), ("stale", each.is_stale(text))):
                if kind == "right" or each.stale:
                    parts.setdefault(f"{kind}: {what}", []).append(Part(each.case.group, float(counts)))
    return parts


def _first(hits: Sequence[Hit]) -> str:
    return hits[0].chunk.embedded_text if hits else ""


def _quote(question: str, hits: Sequence[Hit], params: Params, embed: EmbedTexts) -> str:
    chunks = [hit.chunk for hit in hits[: params.answering.context_chunks]]
    return "\n".join(each.text for each in choose_quote(question, rank_sentences(question, chunks, embed)))


def show(results: Sequence[dict[str, Any]]) -> None:
    """Print a table in Markdown: a row for each measure, in per cent with the interval."""
    print(
        "| set | split | stratum | measure | n | plain | prefer_newer | difference |\n|---|---|---|---|---|---|---|---|"
    )
    for plain, newer, gain in zip(results[::3], results[1::3], results[2::3], strict=True):
        cells = [
            f"{100 * row['value']:.1f} ({100 * row['low']:.1f} to {100 * row['high']:.1f})"
            for row in (plain, newer, gain)
        ]
        place = [plain["set"], plain["split"], plain["stratum"], plain["measure"], f"{plain['n']:.0f}"]
        print("| " + " | ".join([*place, *cells]) + " |")


if __name__ == "__main__":
    main()
