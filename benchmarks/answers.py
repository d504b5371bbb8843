"""Measure what an answer is made of without asking a model: the sentence that is quoted, and the judge of support.

    .venv/bin/python benchmarks/answers.py [--data FOLDER] [--json out.json] [--reader N]

Questions of XQuAD and of the KEDA documentation are searched as in serving, and the sentences are those of the first
`answering.context_chunks` chunks. Articles and pages are split by a hash of their names: settings were chosen on one
half (tuning) and are reported on the other half too (test). Intervals are bootstraps over articles and pages.

With --reader, the language model of params.yaml answers N questions of each half of XQuAD, and it is counted how many
of its right and of its wrong answers are shown; this takes minutes.
"""

# ruff: noqa: E402 - the folder of the peers must be on the path first.

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "benchmarks"), str(ROOT / "benchmarks/peers")]

from corpus import knowledge_params, read_params
from pairs import PairKind, Source, make_pairs

from lorag.answering.citations import spans_of
from lorag.answering.ending import ANSWER_ENDING
from lorag.answering.sentence_choice import choose_quote, rank_sentences
from lorag.answering.sentence_features import EmbedTexts
from lorag.answering.strategies import AnswerKind, assemble_answer, make_prompt
from lorag.answering.support import Verdict, judge_claim
from lorag.digests import sha256_hex
from lorag.evaluation.answers import contains_answer
from lorag.evaluation.bootstrap import Bootstrap, Part
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.lancedb.index import LanceDbIndex
from lorag.integrations.models.embedder_tokenizer import load_token_counter
from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.models.files import resolve_model
from lorag.integrations.models.generators import open_generator
from lorag.knowledge.documents import Chunk
from lorag.params import Params
from lorag.retrieval.embed import embed_texts
from lorag.retrieval.index.store import IndexRow
from lorag.retrieval.search import Searcher
from lorag.strategies import READER
from lorag.use_cases.refresh.pipeline import chunk_corpus, read_source

KEDA_VERSION = "2.14"
BOOTSTRAP = Bootstrap(samples=1000, confidence=0.95, seed=7)
PAIRS_EACH = 75
"""Pairs of each kind, for each set and split: 300 for tuning and 300 for the test of each set."""

SEED = 7
SPLITS = ("tuning", "test")

_PARAMETER = re.compile(r"`([^`]+)` parameter")


@dataclass(frozen=True, slots=True)
class Case:
    """A question with the chunks that were found for it; `group` is its article or page."""

    question: str
    answers: tuple[str, ...]
    group: str
    must_name: str
    chunks: tuple[Chunk, ...] = ()

    @property
    def split(self) -> str:
        """The half that the question belongs to."""
        return SPLITS[int(sha256_hex(f"split:{self.group}".encode()), 16) % 2 == 0]

    def is_answered_by(self, text: str) -> bool:
        """Whether the text states an accepted answer; in a list of parameters it has to name the right one too."""
        return self.must_name in text and contains_answer(text, self.answers)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--reader", type=int, default=0)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: {arguments.data} is not on this machine")
        return
    params = read_params()
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="answers_") as folder, BlobCache(Path(folder) / "cache.sqlite") as cache:
        embedder = open_embedder(params.embedding)

        def embed(texts: Sequence[str]) -> Any:
            return embed_texts(texts, embedder, cache, batch_tokens=params.embedding.batch_tokens)[0]

        for name, source, cases in (("xquad", *read_xquad(arguments.data)), ("keda", *read_keda(arguments.data))):
            found = search(cases, source, Path(folder) / name, params, embed, cache)
            results += measure_choice(name, found, embed)
            results.append(measure_time(name, found, embedder.embed_batch))
            results += measure_support(name, found, params.answering.min_support)
            if name == "xquad" and arguments.reader:
                results += measure_reader(name, found, arguments.reader, params, embed)
    show(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def read_xquad(data: Path) -> tuple[Path, list[Case]]:
    """Return the documents and the questions, grouped by article."""
    folder = data / "xquad_en"
    titles = {row["id"]: row["title"] for row in read_rows(folder / "documents.jsonl")}
    questions = read_rows(folder / "questions.jsonl")
    cases = [Case(row["question"], tuple(row["answers"]), titles[row["gold_doc_ids"][0]], "") for row in questions]
    return folder / "documents.jsonl", cases


def read_keda(data: Path) -> tuple[Path, list[Case]]:
    """Return the pages and the questions of one version, grouped by page."""
    folder = data / "keda_2.13-2.15"
    cases = []
    for row in read_rows(folder / "questions_derived.jsonl"):
        if row["version"] == KEDA_VERSION:
            group = row["gold_doc_ids"][0]
            cases.append(Case(row["question"], tuple(row["answers"]), group, parameter_in(row["question"])))
    return folder / "versions" / KEDA_VERSION, cases


def parameter_in(question: str) -> str:
    """Return the parameter that the question asks about; empty if it names none."""
    named = _PARAMETER.search(question)
    return named[1] if named else ""


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def search(
    cases: Sequence[Case],
    source: Path,
    folder: Path,
    params: Params,
    embed: EmbedTexts,
    cache: BlobCache,
    most: int | None = None,
) -> list[Case]:
    """Return the cases with the chunks that serving would answer them from, or with the best `most`, best first."""
    documents = read_source(source.resolve(), knowledge_params(), cache).documents
    tokens = load_token_counter(resolve_model(params.embedding.model))
    chunks = chunk_corpus(documents, params.chunking, tokens, "here", cache, lambda n: None)
    vectors = embed([chunk.embedded_text for chunk in chunks])
    store = LanceDbIndex(folder, params.index.ann_from_rows)
    ref = store.write_generation(
        None, "answers", 1, [IndexRow(c, "here", v) for c, v in zip(chunks, vectors, strict=True)], ()
    )
    searcher = Searcher(store, ref, embed)
    wanted = params.search.model_copy(update={"top_k": most}) if most else params.search
    found = []
    for case in cases:
        hits = searcher.search([case.question], wanted).hits[: most or params.answering.context_chunks]
        read = tuple(hit.chunk for hit in hits)
        found.append(Case(case.question, case.answers, case.group, case.must_name, read))
    store.close()
    return found


def measure_choice(name: str, cases: Sequence[Case], embed: EmbedTexts) -> list[dict[str, Any]]:
    """Return the share of questions whose quoted text holds the answer, by how much is quoted."""
    results = []
    for split in SPLITS:
        shares: dict[str, list[Part]] = {}
        for case in (case for case in cases if case.split == split):
            ranked = rank_sentences(case.question, case.chunks, embed)
            quote = choose_quote(case.question, ranked)
            texts = {
                "1 sentence": [each.text for each in ranked[:1]],
                "2 sentences": [each.text for each in ranked[:2]],
                "the quote": [each.text for each in quote],
                "all that was found": [each.text for each in ranked],
            }
            for how, given in texts.items():
                right = any(case.is_answered_by(text) for text in given)
                shares.setdefault(how, []).append(Part(case.group, float(right)))
            shares.setdefault("quotes of two sentences", []).append(Part(case.group, float(len(quote) == 2)))
        for how, parts in shares.items():
            estimate = BOOTSTRAP.estimate(parts)
            results.append({"set": name, "split": split, "measure": how} | (asdict(estimate) if estimate else {}))
    return results


def measure_time(name: str, cases: Sequence[Case], embed: EmbedTexts) -> dict[str, Any]:
    """Return the median milliseconds of a choice of one question at a time, without a cache."""
    seconds = []
    for case in cases[:40]:
        begun = time.perf_counter()
        choose_quote(case.question, rank_sentences(case.question, case.chunks, embed))
        seconds.append(time.perf_counter() - begun)
    return {"set": name, "split": "", "measure": "ms for a choice", "value": float(np.median(seconds)) * 1000, "n": 40}


def measure_support(name: str, cases: Sequence[Case], min_share: float) -> list[dict[str, Any]]:
    """Return for each split the AUROC of the judge on pairs of one set, and the share of each kind that it passes."""
    results = []
    for split in SPLITS:
        sources = [source for case in cases if case.split == split for source in sources_of(case)]
        pairs = make_pairs(sources, PAIRS_EACH, SEED)
        judged = [
            (pair, judge_claim(pair.answer, pair.question, pair.sentence, pair.headings, min_share)) for pair in pairs
        ]
        scores = [(pair.kind is PairKind.RIGHT, judgement.share) for pair, judgement in judged]
        results.append(
            {"set": name, "split": split, "measure": "AUROC of support", "value": auroc(scores), "n": len(pairs)}
        )
        kinds: dict[str, list[Part]] = {}
        for pair, judgement in judged:
            passed = Part(pair.group, float(judgement.verdict is Verdict.STATED))
            kinds.setdefault(f"passed: {pair.kind}", []).append(passed)
            if pair.kind is not PairKind.RIGHT:
                kinds.setdefault("passed: all wrong ones", []).append(passed)
        for how, parts in kinds.items():
            estimate = BOOTSTRAP.estimate(parts)
            results.append({"set": name, "split": split, "measure": how} | (asdict(estimate) if estimate else {}))
    return results


def measure_reader(
    name: str, cases: Sequence[Case], n_each: int, params: Params, embed: EmbedTexts
) -> list[dict[str, Any]]:
    """Return which shares of the model's own right and wrong answers are shown, and of all answers that are right.

    An answer is right if it contains an accepted one; a number that is written otherwise counts as wrong.
    """
    generator = open_generator(params.generation, {})
    results = []
    for split in SPLITS:
        parts: dict[str, list[Part]] = {}
        half = [case for case in cases if case.split == split]
        for case in random.Random(SEED).sample(half, min(n_each, len(half))):
            prompt = make_prompt(case.question, READER, case.chunks, generator, params.answering, params.generation)
            limit = params.generation.max_new_tokens
            (written,) = generator.generate_batch([prompt.messages], max_new_tokens=limit, stop=ANSWER_ENDING)
            versions = {chunk.document_id: "here" for chunk in case.chunks}
            answer = assemble_answer(prompt, written, versions, params.answering, params.generation, embed)
            is_shown = answer.kind is AnswerKind.GENERATED
            own = "right" if case.is_answered_by(written.text) else "wrong"
            parts.setdefault(f"shown of the model's {own} answers", []).append(Part(case.group, float(is_shown)))
            is_right = answer.kind is not AnswerKind.DECLINED and case.is_answered_by(answer.text)
            parts.setdefault("right answers, generated or quoted", []).append(Part(case.group, float(is_right)))
        for how, found in parts.items():
            estimate = BOOTSTRAP.estimate(found)
            results.append({"set": name, "split": split, "measure": how} | (asdict(estimate) if estimate else {}))
    return results


def sources_of(case: Case) -> Iterator[Source]:
    """Yield the sentence that states the answer, with the others of its chunk; nothing if none was found."""
    for chunk in case.chunks:
        texts = [chunk.text[start:end] for start, end in spans_of(chunk.text)]
        for at, text in enumerate(texts):
            if case.is_answered_by(text) and (answer := next(a for a in case.answers if contains_answer(text, [a]))):
                others = (*texts[:at], *texts[at + 1 :])
                yield Source(case.question, answer, text, chunk.context, others, case.group)
                return


def auroc(scores: Sequence[tuple[bool, float]]) -> float:
    """Return the probability that a right pair scores above a wrong one; a tie counts half."""
    right = np.array([score for is_right, score in scores if is_right])[:, None]
    wrong = np.array([score for is_right, score in scores if not is_right])[None, :]
    return float(np.mean((right > wrong) + 0.5 * (right == wrong)))


def show(results: Sequence[dict[str, Any]]) -> None:
    """Print the table in Markdown."""
    print("| set | split | measure | value | interval | n |\n|---|---|---|---|---|---|")
    for row in results:
        interval = f"{row['low']:.3f} to {row['high']:.3f}" if "low" in row else ""
        print(
            f"| {row['set']} | {row['split']} | {row['measure']} | {row['value']:.3f} | {interval} | {row['n']:.0f} |"
        )


if __name__ == "__main__":
    main()
