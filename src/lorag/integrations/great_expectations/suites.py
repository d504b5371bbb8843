"""Great Expectations suites over documents, chunks and vectors, with Data Docs."""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lorag.errors import GateRefused
from lorag.evaluation.validation import FailedExpectation, SuiteResult, ValidationReport
from lorag.integrations.great_expectations.data_docs import publish_data_docs
from lorag.integrations.great_expectations.frames import frame_chunks, frame_documents, frame_vectors
from lorag.knowledge.chunking.document import ID_LENGTH
from lorag.knowledge.documents import Chunk, Document

SHOWN_ROWS = 5
"""The maximum number of failing rows that are named."""

NORM_TOLERANCE = 1e-3
"""The allowed distance of a norm from 1: enough for vectors normalised in bfloat16 and stored as float32."""

MIN_OWN_VECTOR_SHARE = 0.9
"""The least share of vectors that belong to one wording.

A collapsed model gives nearly all texts the same vector. Texts of symbols outside the vocabulary also share a few.
"""

_SHA256 = "^[0-9a-f]{64}$"
_CHUNK_ID = f"^[0-9a-f]{{{ID_LENGTH}}}$"
_RESULT_FORMAT = {
    "result_format": "SUMMARY",
    "unexpected_index_column_names": ["row", "id"],
    "partial_unexpected_count": SHOWN_ROWS,
    "include_unexpected_rows": False,
}


class ExpectedEmbedder(Protocol):
    """The properties that vectors must have according to the params."""

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of the embedder."""

    @property
    def dimension(self) -> int:
        """Return the dimension of its vectors."""


def validate_corpus(
    *,
    documents: Sequence[Document],
    chunks: Sequence[Chunk],
    token_counts: Sequence[int],
    max_tokens: int,
    vectors: NDArray[np.float32],
    fingerprint: str,
    expected: ExpectedEmbedder,
    out_dir: Path,
) -> ValidationReport:
    """Return the report; write it to `out_dir` as report.json and, for people, as data_docs/.

    `token_counts` and `vectors` [n_chunks, dimension] have the order of `chunks`. `fingerprint` is the one stored with
    the vectors. An empty corpus passes. Raises GateRefused if an expectation cannot be evaluated. Equal input gives
    equal files. Not covered: whether a text is true, readable or in the right language.
    """
    frames = {
        "documents": frame_documents(documents),
        "chunks": frame_chunks(chunks, token_counts, {document.id for document in documents}, len(vectors)),
        "embeddings": frame_vectors(chunks, vectors, fingerprint),
    }
    flags = Counter(flag.value for document in documents for flag in document.flags)

    def expect(gxe: Any) -> dict[str, list[Any]]:
        return {
            "documents": _expect_of_documents(gxe),
            "chunks": _expect_of_chunks(gxe, max_tokens),
            "embeddings": _expect_of_vectors(gxe, expected, len(chunks)),
        }

    return run_suites(frames, expect, flags, out_dir)


def run_suites(
    frames: Mapping[str, pd.DataFrame],
    expect: Callable[[Any], Mapping[str, list[Any]]],
    flags: Mapping[str, int],
    out_dir: Path,
) -> ValidationReport:
    """Run one suite per frame and return the report.

    `expect` takes the library's module of expectations and returns those of each suite, by the names of the frames.
    Writes and raises as `validate_corpus` does.
    """
    # If this run breaks off, the report of an earlier run must not remain.
    (out_dir / "report.json").unlink(missing_ok=True)
    # The package reads this variable when it is imported. The import takes seconds, hence not at the top of the module.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations.expectations as gxe

    try:
        suites = _run_suites(frames, expect(gxe), out_dir / "data_docs")
    except GateRefused:
        raise
    except Exception as error:
        # Any error: a validation that broke off must be reported as a refusal, not as a crash of the stage.
        raise GateRefused(
            f"validation broke off: {type(error).__name__}: {error}", do="fix the cause and run it again"
        ) from error
    report = ValidationReport(suites, dict(flags))
    (out_dir / "report.json").write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    return report


def _expect_of_documents(gxe: Any) -> list[Any]:
    return [
        *expect_ids(gxe),
        gxe.ExpectColumnValuesToMatchRegex(column="version", regex=_SHA256),
        gxe.ExpectColumnValuesToBeBetween(column="title_chars", min_value=1),
        gxe.ExpectColumnValuesToBeBetween(column="text_chars", min_value=1),
        gxe.ExpectColumnValuesToBeBetween(column="control_chars", max_value=0),
    ]


def _expect_of_chunks(gxe: Any, max_tokens: int) -> list[Any]:
    return [
        *expect_ids(gxe),
        gxe.ExpectColumnValuesToMatchRegex(column="id", regex=_CHUNK_ID),
        gxe.ExpectColumnValuesToBeInSet(column="id_names_content", value_set=[True]),
        gxe.ExpectColumnValuesToBeInSet(column="document_known", value_set=[True]),
        gxe.ExpectColumnValuesToBeBetween(column="tokens", min_value=1, max_value=max_tokens),
        gxe.ExpectColumnValuesToBeBetween(column="text_chars", min_value=1),
        gxe.ExpectColumnValuesToBeBetween(column="control_chars", max_value=0),
        gxe.ExpectColumnValuesToBeInSet(column="has_vector", value_set=[True]),
    ]


def _expect_of_vectors(gxe: Any, expected: ExpectedEmbedder, n_chunks: int) -> list[Any]:
    return [
        gxe.ExpectTableRowCountToEqual(value=n_chunks),
        gxe.ExpectColumnValuesToBeInSet(column="dimension", value_set=[expected.dimension]),
        gxe.ExpectColumnValuesToBeInSet(column="finite", value_set=[True]),
        gxe.ExpectColumnValuesToBeInSet(column="zero", value_set=[False]),
        gxe.ExpectColumnValuesToBeBetween(column="norm", min_value=1 - NORM_TOLERANCE, max_value=1 + NORM_TOLERANCE),
        gxe.ExpectColumnValuesToBeInSet(column="own_vector", value_set=[True], mostly=MIN_OWN_VECTOR_SHARE),
        gxe.ExpectColumnValuesToBeInSet(column="fingerprint", value_set=[expected.fingerprint]),
    ]


def expect_ids(gxe: Any) -> list[Any]:
    """Return the expectations that each row has an id and that no two ids are equal."""
    return [gxe.ExpectColumnValuesToNotBeNull(column="id"), gxe.ExpectColumnValuesToBeUnique(column="id")]


def _run_suites(
    frames: Mapping[str, pd.DataFrame], expectations: Mapping[str, list[Any]], docs_dir: Path
) -> tuple[SuiteResult, ...]:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("corpus")
    for site in list(context.list_data_docs_sites()):
        context.delete_data_docs_site(site)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        context.add_data_docs_site("corpus", _site(folder))
        for name, frame in frames.items():
            batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
            suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations[name]))
            definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
            # One checkpoint per frame: a run of a checkpoint gives the same frame to all of its definitions.
            checkpoint = gx.Checkpoint(name=name, validation_definitions=[definition], result_format=_RESULT_FORMAT)
            ran = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
            (found,) = ran.run_results.values()
            results.append(_summarise(name, len(frame), len(expectations[name]), found))
        # Once for all suites; as an action of each checkpoint it would build the index three times.
        context.build_data_docs()
        publish_data_docs(Path(folder), docs_dir, results)
    return tuple(results)


def _site(folder: str) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": folder},
    }


def _summarise(name: str, n_rows: int, n_expectations: int, found: Any) -> SuiteResult:
    if len(found.results) != n_expectations:
        raise GateRefused(f"{len(found.results)} results for {n_expectations} expectations", where=f"suite {name}")
    failed = tuple(_describe_failure(name, result) for result in found.results if not result.success)
    if bool(found.success) is not (not failed):
        raise GateRefused(f"the suite says {found.success}, its results {not failed}", where=f"suite {name}")
    return SuiteResult(name, n_rows, n_expectations, failed)


def _describe_failure(suite: str, result: Any) -> FailedExpectation:
    kind = str(result.expectation_config.type).removeprefix("expect_")
    config, details = result.expectation_config.kwargs, result.result
    if "unexpected_count" in details:
        rows = tuple(dict.fromkeys(_name_row(row) for row in details.get("partial_unexpected_index_list") or ()))
        count = int(details["unexpected_count"])
        values = list(dict.fromkeys(str(value) for value in details["partial_unexpected_list"]))
        observed = f"found {', '.join(values)}" if values and config["column"] != "id" else ""
        return FailedExpectation(suite, kind, str(config["column"]), count, rows, observed)
    if "observed_value" in details:
        observed = f"expected {config.get('value')}, found {details['observed_value']}"
        return FailedExpectation(suite, kind, "", 0, (), observed)
    raise GateRefused(
        f"{kind} could not be evaluated: {_exception_message(result.exception_info)}", where=f"suite {suite}"
    )


def _name_row(row: Mapping[str, Any]) -> str:
    return str(row["id"]) if isinstance(row["id"], str) else f"row {row['row']}"


def _exception_message(info: Any) -> str:
    """Return the first message in the library's nested mapping of exceptions; empty if there is none."""
    if isinstance(info, Mapping):
        if info.get("exception_message"):
            return str(info["exception_message"])
        return next((message for value in info.values() if (message := _exception_message(value))), "")
    return ""
