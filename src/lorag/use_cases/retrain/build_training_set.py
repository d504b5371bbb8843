"""The training set of an adapter, made from documents, chunks and questions."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lorag.answering import GENERATION_VERSION
from lorag.answering.strategies import select_context
from lorag.evaluation.validation import refuse_failures
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.great_expectations.pairs import PairOrigins, validate_pairs
from lorag.integrations.models.chat_encoding import ChatEncoder, open_chat_encoder
from lorag.integrations.models.files import base_model_sha256, convert_base_model
from lorag.integrations.models.generators import open_generator
from lorag.knowledge.documents import Chunk
from lorag.params import Params, Rewriting
from lorag.questions.facts import Fact, RefusedReason, RefusedRow, collect_facts, fact_digests, find_conflicts
from lorag.questions.questions import Question, TrainingQuestions, read_questions, read_training_questions
from lorag.questions.style import StyleSet, read_style
from lorag.strategies import AdapterKind
from lorag.tuning.leakage import refuse_leakage
from lorag.tuning.pairs import Pair, training_set_digest, write_pairs
from lorag.tuning.prompting import ASK
from lorag.tuning.raft import RaftMaker
from lorag.tuning.replay import general_controls
from lorag.tuning.sources import Material, reads_context, searched_wordings, training_pairs, validation_pairs
from lorag.tuning.synthesis import synthesise_facts
from lorag.tuning.training_set import PairTokens, Seen, TrainingSet, assemble_training_set
from lorag.use_cases.asking.artifacts import Wanted, load_wanted
from lorag.use_cases.asking.rewrite_questions import rewrite_questions, unchanged
from lorag.use_cases.asking.search_contexts import search_contexts
from lorag.use_cases.retrain.starting_adapter import read_start
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BuiltTrainingSet:
    """A summary of the training set written to `folder`; `tokens` describe the lengths of the training pairs."""

    adapter: AdapterKind
    folder: Path
    digest: str
    counts: Mapping[str, int]
    n_train: int
    n_validation: int
    tokens: Mapping[str, float]
    refused: tuple[RefusedRow, ...]


def build_training_set(
    adapter: AdapterKind,
    workspace: Workspace,
    params: Params,
    *,
    environment: Mapping[str, str],
    seen: Seen | None = None,
    skip_bad: bool = False,
) -> BuiltTrainingSet:
    """Write train.jsonl, validation.jsonl, lineage.json and validation/ of one adapter.

    The result depends only on the pipeline's artifacts, the questions files, `params` and `seen`, which is None for
    training from scratch; with `search.rewriting` also on the starting adapter, which rewrites questions. `environment`
    may name an endpoint, used if pairs are synthesised. With `skip_bad` up to one in a hundred lines of a questions
    file may be bad. Raises InputRejected for an unusable file and for too few pairs, and GateRefused for leakage and
    for a failed expectation; the folder then holds no training set.
    """
    folder = workspace.training_folder(adapter)
    for name in ("train.jsonl", "validation.jsonl", "lineage.json"):
        (folder / name).unlink(missing_ok=True)
    wanted = load_wanted(workspace)
    asked = read_training_questions(workspace.resolve(params.knowledge.questions), skip_bad=skip_bad)
    unknown = _read_unanswerable(workspace, params, skip_bad=skip_bad)
    facts, refused = collect_facts(asked.questions, wanted.documents, wanted.chunks)
    unanswerable, refused_unknown = collect_facts(unknown.questions, wanted.documents, wanted.chunks)
    versions = {document.id: document.version for document in wanted.documents}
    encoder = open_chat_encoder(convert_base_model(params.generation.model))
    style = read_style(workspace.resolve(params.knowledge.style)) if params.training_set.style else StyleSet()
    material = Material(
        wanted.documents,
        wanted.chunks,
        [fact for fact in facts if fact.question.answers],
        _synthesise(wanted.chunks, versions, workspace, params, environment),
        [fact for fact in (*facts, *unanswerable) if not fact.question.answers],
        style.examples,
    )
    raft = _open_raft(adapter, material, wanted, versions, encoder, workspace, params)
    skipped = [
        RefusedRow(error.where, RefusedReason.BAD_LINE, error.what) for error in (*asked.skipped, *unknown.skipped)
    ]
    built = assemble_training_set(
        training_pairs(adapter, material, raft, params.training_set),
        validation_pairs(adapter, material.facts, raft, params.training_set),
        [*skipped, *refused, *refused_unknown],
        material.all_facts,
        seen=seen,
        ask=ASK[adapter],
        count=partial(_count, encoder),
        params=params.training_set,
    )
    kept_out = [
        *_kept_out(asked.questions, unknown.questions, workspace, params),
        *(probe.question for probe in style.probes),
    ]
    chunk_ids = {chunk.id for chunk in wanted.chunks}
    refuse_leakage(built.train, kept_out, versions, chunk_ids)
    conflicting = find_conflicts([*asked.questions, *unknown.questions])
    if conflicting:
        logger.warning("facts whose wordings have different answers: %s", ", ".join(sorted(conflicting)))
    report = validate_pairs(
        built.train,
        built.validation,
        origins=PairOrigins(versions, chunk_ids, conflicting),
        count=partial(_count, encoder),
        params=params.training_set,
        out_dir=folder / "validation",
    )
    refuse_failures(report, f"artifacts/training/{adapter.value}/validation")
    return _write(folder, adapter, built, material, encoder, seen)


def read_seen(lineage: Path) -> Seen:
    """Return what an adapter has seen that was trained on the set with this lineage.json."""
    value = json.loads(lineage.read_text(encoding="utf-8"))
    return Seen(value["facts"], value["documents"])


def _read_unanswerable(workspace: Workspace, params: Params, *, skip_bad: bool) -> TrainingQuestions:
    return read_training_questions(workspace.resolve(params.knowledge.unanswerable), skip_bad=skip_bad)


def _kept_out(
    asked: Sequence[Question], unknown: Sequence[Question], workspace: Workspace, params: Params
) -> list[str]:
    controls = [*general_controls(), *read_questions(workspace.resolve(params.knowledge.controls))]
    held_out = [
        text
        for question in (*asked, *unknown, *controls)
        for text in (*question.held_out_phrasings, *question.oblique_phrasings)
    ]
    return [*held_out, *(text for question in controls for text in (question.question, *question.phrasings))]


def _synthesise(
    chunks: Sequence[Chunk],
    versions: Mapping[str, str],
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
) -> list[Fact]:
    per_chunk = params.training_set.synthetic_per_chunk
    if not per_chunk:
        return []
    generator = open_generator(params.generation, environment)
    settings = json.dumps([GENERATION_VERSION, params.generation.temperature, params.generation.seed])
    with BlobCache(workspace.cache_file) as cache:
        return synthesise_facts(
            chunks, versions, per_chunk, generator, cache, settings=settings, seed=params.training_set.seed
        )


def _open_raft(
    adapter: AdapterKind,
    material: Material,
    wanted: Wanted,
    versions: Mapping[str, str],
    encoder: ChatEncoder,
    workspace: Workspace,
    params: Params,
) -> RaftMaker:
    ranked: Mapping[str, Sequence[Chunk]] = {}
    if reads_context(adapter, params.training_set):
        queries = _rewrite(searched_wordings(material), adapter, workspace, params)
        ranked = search_contexts(queries, wanted, workspace, params)
    select = partial(select_context, generator=encoder, params=params.answering, generation=params.generation)
    return RaftMaker(material.facts, ranked, versions, select, params.answering, params.training_set)


def _rewrite(
    wordings: Sequence[str], adapter: AdapterKind, workspace: Workspace, params: Params
) -> Mapping[str, Sequence[str]]:
    """Return the queries for each wording, by the model that training starts from.

    When served, the adapter itself rewrites questions, but it does not exist yet.
    """
    if params.search.rewriting is Rewriting.NONE:
        return unchanged(wordings)
    folder = workspace.start_folder(adapter)
    start = read_start(folder, base_model_sha256(params.generation.model))
    generator = open_generator(params.generation, {}, folder if start else None)
    return rewrite_questions(wordings, generator, workspace, params)


def _count(encoder: ChatEncoder, pair: Pair) -> PairTokens:
    # Add one for the token that ends the answer.
    answer = encoder.count_tokens(pair.answer) + 1
    return PairTokens(answer + (len(encoder.encode(pair.messages)) if pair.messages else 0), answer)


def _write(
    folder: Path,
    adapter: AdapterKind,
    built: TrainingSet,
    material: Material,
    encoder: ChatEncoder,
    seen: Seen | None,
) -> BuiltTrainingSet:
    totals = np.array([_count(encoder, pair).total for pair in built.train])
    tokens = {
        "total": int(totals.sum()),
        "median": float(np.median(totals)),
        "p95": float(np.percentile(totals, 95)),
        "max": int(totals.max()),
    }
    digest = training_set_digest(built.train)
    # What the starting adapter has seen stays in its weights, even if it was removed from the corpus.
    documents = dict(seen.documents) if seen is not None else {}
    documents |= {name: version for pair in built.train for name, version in pair.documents.items()}
    lineage: dict[str, Any] = {
        "adapter": adapter.value,
        "training_set_digest": digest,
        "documents": dict(sorted(documents.items())),
        "facts": fact_digests(fact.question for fact in material.all_facts),
        "counts": built.counts,
        "n_train": len(built.train),
        "n_validation": len(built.validation),
        "tokens": tokens,
        "refused": [asdict(row) for row in built.refused],
    }
    write_pairs(folder / "train.jsonl", built.train)
    write_pairs(folder / "validation.jsonl", built.validation)
    (folder / "lineage.json").write_text(json.dumps(lineage, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return BuiltTrainingSet(
        adapter, folder, digest, built.counts, len(built.train), len(built.validation), tokens, built.refused
    )
