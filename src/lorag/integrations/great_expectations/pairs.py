"""Great Expectations suites over training pairs, with Data Docs. No column holds text of a pair."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lorag.answering.declining import DECLINE
from lorag.evaluation.validation import ValidationReport
from lorag.integrations.great_expectations.frames import booleans, count_control, frame, integers
from lorag.integrations.great_expectations.suites import expect_ids, run_suites
from lorag.knowledge.secrets import find_secrets
from lorag.params import TrainingSetParams
from lorag.tuning.pairs import Pair, PairSource
from lorag.tuning.suspicious import count_emails, count_personal_numbers, gives_orders
from lorag.tuning.training_set import CountPair

_WITHOUT_DOCUMENTS = {PairSource.GENERAL, PairSource.STYLE}
"""The sources whose pairs use no document. A pair that declines needs no document either."""


@dataclass(frozen=True, slots=True)
class PairOrigins:
    """The allowed origins of pairs: document versions by id, chunk ids, and the facts with contradicting answers."""

    versions: Mapping[str, str]
    chunk_ids: Collection[str]
    conflicting: Collection[str]


def validate_pairs(
    train: Sequence[Pair],
    validation: Sequence[Pair],
    *,
    origins: PairOrigins,
    count: CountPair,
    params: TrainingSetParams,
    out_dir: Path,
) -> ValidationReport:
    """Run the suites `pairs` and `validation_pairs`; return, write and raise as `validate_corpus` does.

    E-mail addresses are counted in the flags and do not fail. Not covered: whether an answer is true, and what the
    leakage check looks for.
    """
    frames = {
        "pairs": frame_pairs(train, origins, count, params),
        "validation_pairs": frame_pairs(validation, origins, count, params),
    }
    flags = {"email_address": sum(count_emails(pair.text) > 0 for pair in train)}
    return run_suites(frames, lambda gxe: {name: _expect_of_pairs(gxe, params) for name in frames}, flags, out_dir)


def frame_pairs(
    pairs: Sequence[Pair], origins: PairOrigins, count: CountPair, params: TrainingSetParams
) -> pd.DataFrame:
    """Return one row per pair: id, source, size, whether its documents and chunks exist, and anomalies."""
    tokens = [count(pair) for pair in pairs]
    return frame(
        [pair.id for pair in pairs],
        source=pd.Series([pair.source.value for pair in pairs], dtype=object),
        answer_chars=integers(len(pair.answer.strip()) for pair in pairs),
        tokens=integers(each.total for each in tokens),
        answer_fits=booleans(
            each.answer <= params.max_answer_tokens or not pair.messages
            for pair, each in zip(pairs, tokens, strict=True)
        ),
        control_chars=integers(count_control(pair.text) for pair in pairs),
        documents_known=booleans(_are_known(pair, origins.versions) for pair in pairs),
        chunks_known=booleans(all(chunk in origins.chunk_ids for chunk in pair.chunk_ids) for pair in pairs),
        has_provenance=booleans(_has_provenance(pair) for pair in pairs),
        conflicting=booleans(pair.fact_id in origins.conflicting for pair in pairs),
        secrets=integers(sum(1 for _ in find_secrets(pair.text)) for pair in pairs),
        personal_numbers=integers(count_personal_numbers(pair.text) for pair in pairs),
        gives_orders=booleans(bool(pair.messages) and gives_orders(pair.answer) for pair in pairs),
    )


def _expect_of_pairs(gxe: Any, params: TrainingSetParams) -> list[Any]:
    return [
        *expect_ids(gxe),
        gxe.ExpectColumnValuesToBeInSet(column="source", value_set=[source.value for source in PairSource]),
        gxe.ExpectColumnValuesToBeBetween(column="answer_chars", min_value=1),
        gxe.ExpectColumnValuesToBeBetween(column="tokens", min_value=1, max_value=params.max_pair_tokens),
        gxe.ExpectColumnValuesToBeInSet(column="answer_fits", value_set=[True]),
        gxe.ExpectColumnValuesToBeBetween(column="control_chars", max_value=0),
        gxe.ExpectColumnValuesToBeInSet(column="documents_known", value_set=[True]),
        gxe.ExpectColumnValuesToBeInSet(column="chunks_known", value_set=[True]),
        gxe.ExpectColumnValuesToBeInSet(column="has_provenance", value_set=[True]),
        gxe.ExpectColumnValuesToBeInSet(column="conflicting", value_set=[False]),
        gxe.ExpectColumnValuesToBeBetween(column="secrets", max_value=0),
        gxe.ExpectColumnValuesToBeBetween(column="personal_numbers", max_value=0),
        gxe.ExpectColumnValuesToBeInSet(column="gives_orders", value_set=[False]),
    ]


def _are_known(pair: Pair, versions: Mapping[str, str]) -> bool:
    return all(versions.get(document) == version for document, version in pair.documents.items())


def _has_provenance(pair: Pair) -> bool:
    return bool(pair.documents) or pair.source in _WITHOUT_DOCUMENTS or pair.answer == DECLINE
