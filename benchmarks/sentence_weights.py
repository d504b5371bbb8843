"""Fit the weights by which the sentence that answers a question is chosen, and show what each threshold would do.

    .venv/bin/python benchmarks/sentence_weights.py [--data FOLDER] [--docs FOLDER] [--git FOLDER]

Weights are fitted on the tuning halves of XQuAD, the KEDA questions of a fixed pattern, and the questions that people
would type (benchmarks/natural_questions); the tables show both halves. The loss is the negative logarithm of the
probability that a right sentence is drawn, if each is drawn in proportion to the exponential of its score.

A question that nothing answers is one of those that people asked so, or one of XQuAD without the passages that hold
its answer. Declined is what is less certain than a limit.

The pages that two files of natural questions are about are not part of the project: --docs names a folder with `click`
and `starlette`, the documentation in the source archives of click 8.5.1 and starlette 1.9.0; --git names the HTML pages
of git 2.39 (Debian's package git-doc). Nothing was fitted on the questions about git.
"""

# ruff: noqa: E402 - the folder of the benchmarks must be on the path first.

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "benchmarks"), str(ROOT / "benchmarks/peers")]

from answers import KEDA_VERSION, SPLITS, Case, read_keda, read_rows, read_xquad, search
from corpus import read_params

from lorag.answering.sentence_choice import WEIGHTS, choose_quote, rank_sentences, what_is_missing
from lorag.answering.sentence_features import FEATURES, EmbedTexts, describe
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.models.embedders import open_embedder
from lorag.knowledge.documents import Chunk
from lorag.params import Params
from lorag.retrieval.embed import embed_texts

BY_HAND = ("other identifier", "opposite", "pointer", "definition")
"""Features of which there are too few examples to fit a weight; they keep theirs."""

SHARE = {"xquad": 2.0, "keda": 1.0, "keda natural": 1.5, "click and starlette": 1.5}
"""How much each set counts in the loss, whatever its size."""

REGULARISATION, STEPS, RATE = 0.004, 600, 0.05
MADE_UNANSWERABLE = ("xquad",)
"""Sets of which each question is also asked without the chunks that hold its answer."""

THRESHOLDS = (2.5, 2.75, 3.0, 3.25, 3.5)
MANY = 40
"""The hits that are left to choose from where those that answer are taken out."""

FRAMES = (
    "{}",
    "Please tell me: {}",
    "Can you look this up? {}",
    "A colleague asks: {}",
    "According to the documents, {}",
    "I need to know this. {}",
    "hi, quick question: {}",
    "Could you explain to me {}",
    "I was wondering, {}",
)
"""What people say around a question; every fifth of XQuAD's tuning half is asked in each."""

_MARKUP = re.compile(r"[`*_\[\]]")


@dataclass(frozen=True, slots=True)
class NaturalCase(Case):
    """A question as somebody would type it; without accepted answers it is one that the pages do not answer.

    A text is right if it has one of the answers, all of `needed` and none of `wrong`; markup does not count.
    """

    needed: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()

    def is_answered_by(self, text: str) -> bool:
        """Whether the text has an accepted answer and all else that a right one has."""
        plain = _plain(text)
        return (
            any(_plain(answer) in plain for answer in self.answers)
            and all(_plain(part) in plain for part in self.needed)
            and not any(_plain(part) in plain for part in self.wrong)
        )


@dataclass(frozen=True, slots=True)
class Ranked:
    """A question with the features of its sentences.

    `values` is [n_sentences, n_features]; `right` says which of them answer it, `missing` what each would be less
    certain as the best one, both [n_sentences].
    """

    split: str
    is_answerable: bool
    values: NDArray[np.float64]
    right: NDArray[np.bool_]
    missing: NDArray[np.float64]


def main() -> None:
    """Fit and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--git", type=Path)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: {arguments.data} is not on this machine")
        return
    sets = {"xquad": read_xquad(arguments.data), "keda": read_keda(arguments.data)}
    sets["keda natural"] = (arguments.data / "keda_2.13-2.15/versions" / KEDA_VERSION, read_natural("keda"))
    if arguments.docs:
        sets["click and starlette"] = (arguments.docs, read_natural("click_starlette"))
    if arguments.git:
        sets["git"] = (arguments.git, read_natural("git"))
    params, ranked = read_params(), {}
    with tempfile.TemporaryDirectory(prefix="weights_") as folder, BlobCache(Path(folder) / "cache.sqlite") as cache:
        embedder = open_embedder(params.embedding)

        def embed(texts: Sequence[str]) -> Any:
            return embed_texts(texts, embedder, cache, batch_tokens=params.embedding.batch_tokens)[0]

        for name, (source, cases) in sets.items():
            place = Path(folder) / name.replace(" ", "_")
            found = search(cases, source, place, params, embed, cache, MANY)
            most = params.answering.context_chunks
            # The search returns plain cases; the judge of a natural one is kept from the question.
            pairs = [(case, with_chunks.chunks) for case, with_chunks in zip(cases, found, strict=True)]
            ranked[name] = [rank(case, chunks[:most], embed) for case, chunks in pairs]
            for case, chunks in pairs if name in MADE_UNANSWERABLE else []:
                left = [chunk for chunk in chunks if not case.is_answered_by(chunk.text)]
                ranked[name].append(rank(case, left[:most], embed, taken_out=True))
        source, cases = sets["xquad"]
        show_framed(
            [case for case in cases if case.split == SPLITS[0]][::5], source, Path(folder), params, embed, cache
        )
    now = np.array([WEIGHTS[name] for name in FEATURES])
    fitted = fit(ranked)
    for title, weights in (("as they are", now), ("fitted anew", fitted)):
        print(
            f"\n## Weights {title}\n\n{json.dumps(dict(zip(FEATURES, np.round(weights, 2).tolist(), strict=True)))}\n"
        )
        show(ranked, weights)


def read_natural(name: str) -> list[NaturalCase]:
    """Return the questions of a file, grouped by the page that answers them."""
    return [
        NaturalCase(row["question"], tuple(row["answers"]), row["page"] or row["id"], "", (), *map(tuple, _rest(row)))
        for row in read_rows(ROOT / "benchmarks/natural_questions" / f"{name}.jsonl")
    ]


def rank(case: Case, chunks: Sequence[Chunk], embed: EmbedTexts, *, taken_out: bool = False) -> Ranked:
    """Return the sentences of the chunks that were found for a question, with the judgement of each."""
    described = describe(case.question, chunks, embed)
    right = np.array([case.is_answered_by(sentence.text) for sentence in described.sentences], dtype=bool)
    missing = [what_is_missing(case.question, sentence, chunks) for sentence in described.sentences]
    is_answerable = bool(case.answers) and not taken_out
    return Ranked(case.split, is_answerable, described.values, right, np.array(missing))


def fit(ranked: dict[str, list[Ranked]]) -> NDArray[np.float64]:
    """Return the weights [n_features] with the least loss on the tuning halves (Adam, with a small penalty)."""
    free = np.array([name not in BY_HAND for name in FEATURES], dtype=float)
    kept = np.array([WEIGHTS[name] for name in FEATURES]) * (1 - free)
    examples = []
    for name, rows in ranked.items():
        if name not in SHARE:
            continue
        useful = [row for row in rows if row.split == SPLITS[0] and 0 < row.right.sum() < len(row.right)]
        examples += [(row, SHARE[name] / len(useful)) for row in useful]
    total = sum(share for _, share in examples)
    weights, mean, square = kept.copy(), np.zeros(len(FEATURES)), np.zeros(len(FEATURES))
    for step in range(1, STEPS + 1):
        gradient = REGULARISATION * weights
        for row, share in examples:
            scores = row.values @ weights
            drawn = np.exp(scores - scores.max())
            among_right = drawn * row.right
            gradient = gradient + share / total * (
                row.values.T @ (drawn / drawn.sum() - among_right / among_right.sum())
            )
        gradient *= free
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        weights = weights - RATE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return weights


def show(ranked: dict[str, list[Ranked]], weights: NDArray[np.float64]) -> None:
    """Print the share of right first and first two sentences, and what is declined below each threshold."""
    limits = " | ".join(f"{limit}: kept, declined" for limit in THRESHOLDS)
    print(f"| set | split | n | first | first two | any | {limits} |\n|{'---|' * (6 + len(THRESHOLDS))}")
    for name, rows in ranked.items():
        for split in SPLITS:
            some = [(row, row.values @ weights) for row in rows if row.split == split]
            asked = [(row, scores) for row, scores in some if row.is_answerable]
            orders = [(row, np.argsort(-scores)) for row, scores in asked]
            shares = [np.mean([row.right[order[:most]].any() for row, order in orders]) for most in (1, 2, None)]
            cells = []
            for limit in THRESHOLDS:
                right = [
                    sure(row, scores) >= limit for row, scores in asked if len(scores) and row.right[scores.argmax()]
                ]
                without = [sure(row, scores) < limit for row, scores in some if not row.is_answerable]
                cells.append(f"{np.mean(right):.2f}, {np.mean(without):.2f}" if without else f"{np.mean(right):.2f}, -")
            print(
                f"| {name} | {split} | {len(asked)} | {' | '.join(f'{share:.3f}' for share in shares)} "
                f"| {' | '.join(cells)} |"
            )


def show_framed(
    cases: Sequence[Case], source: Path, folder: Path, params: Params, embed: EmbedTexts, cache: BlobCache
) -> None:
    """Print how many of the questions are quoted right in each frame."""
    print("| asked | questions | the best sentence is right | and is quoted |\n| --- | --- | --- | --- |")
    for number, frame in enumerate(FRAMES):
        asked = [replace(case, question=frame.format(case.question)) for case in cases]
        found = search(asked, source, folder / f"frame_{number}", params, embed, cache)
        ranked = [(case, rank_sentences(case.question, case.chunks, embed)) for case in found]
        right = [(case, best) for case, best in ranked if best and case.is_answered_by(best[0].text)]
        quoted = sum(bool(choose_quote(case.question, best)) for case, best in right)
        print(f"| {frame.format('...')} | {len(cases)} | {len(right)} | {quoted} |")


def sure(row: Ranked, scores: NDArray[np.float64]) -> float:
    """Return the certainty of the best sentence, minus infinity without one."""
    return float(scores.max() - row.missing[scores.argmax()]) if len(scores) else -np.inf


def _rest(row: dict[str, Any]) -> tuple[list[str], list[str]]:
    return row["must_have"], row["must_not"]


def _plain(text: str) -> str:
    return " ".join(_MARKUP.sub("", text).split()).casefold()


if __name__ == "__main__":
    main()
