"""The stages of dvc.yaml: `python -m lorag.stages NAME [ADAPTER|STRATEGY]`, run in the root of a workspace."""

import signal

if __name__ == "__main__":
    # An interrupt reaches the command that runs the stage, too, and that one reports it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import csv
import gc
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lorag.console.terminal import set_up_logging, set_up_prefect
from lorag.errors import InputRejected, LoragError
from lorag.extras import explain_missing
from lorag.integrations.dvc.dvc_repo import end_with_caller, report_stage_error
from lorag.integrations.dvc.stage_process import FORKABLE_FOR_STAGES, SERVE, serve_stages
from lorag.integrations.machine.disk import explain_limits
from lorag.knowledge.artifacts import (
    read_chunks,
    read_documents,
    write_chunks,
    write_documents,
    write_rejected,
)
from lorag.params import Params, TaskRunnerKind
from lorag.params_file import load_params
from lorag.progress import show_progress
from lorag.strategies import AdapterKind, Strategy
from lorag.workspace import Workspace

if TYPE_CHECKING:
    from flows.embed_shards import Cluster
    from lorag.retrieval.embed import Embedder


def make_versions(workspace: Workspace, params: Params) -> None:
    """Write what is installed to versions.json; fetch hub models, because the next stages would do it too late."""
    from lorag.use_cases.asking.versions import MODELS, write_versions

    write_versions(workspace, params, fetch=MODELS)


def make_documents(workspace: Workspace, params: Params) -> None:
    """Read the source folder; write documents and rejections."""
    from lorag.integrations.blob_cache import BlobCache
    from lorag.integrations.parsing.source_folder import list_source
    from lorag.releases.forgotten import read_forgotten
    from lorag.use_cases.refresh.load_corpus import require_usable
    from lorag.use_cases.refresh.pipeline import read_source

    source = workspace.resolve(params.knowledge.source)
    n_files = len(list_source(source, max_file_bytes=params.knowledge.max_file_bytes).files)
    with BlobCache(workspace.cache_file) as cache, show_progress("Reading documents", n_files) as progress:
        forgotten = read_forgotten(workspace.state)
        corpus = read_source(source, params.knowledge, cache, progress, forgotten=forgotten)
    write_documents(workspace.documents_file, corpus.documents)
    write_rejected(workspace.rejected_file, corpus.rejected)
    require_usable(corpus, params.knowledge, source=source, report=str(workspace.rejected_file))


def make_chunks(workspace: Workspace, params: Params) -> None:
    """Cut documents into chunks."""
    from lorag.integrations.blob_cache import BlobCache
    from lorag.integrations.models.cache import file_sha256
    from lorag.integrations.models.embedder_tokenizer import load_token_counter
    from lorag.integrations.models.files import resolve_model
    from lorag.use_cases.refresh.pipeline import chunk_corpus

    documents = read_documents(workspace.documents_file)
    folder = resolve_model(params.embedding.model)
    tokens = load_token_counter(folder)
    with (
        BlobCache(workspace.cache_file) as cache,
        show_progress("Cutting chunks", len(documents)) as progress,
    ):
        chunks = chunk_corpus(
            documents, params.chunking, tokens, file_sha256(folder / "tokenizer.json"), cache, progress
        )
    write_chunks(workspace.chunks_file, chunks)


def make_embeddings(workspace: Workspace, params: Params) -> None:
    """Embed the chunks; write the vectors, and the counts for the flow."""
    from lorag.integrations.blob_cache import BlobCache
    from lorag.integrations.models.embedders import open_embedder
    from lorag.retrieval.embed import embed_texts
    from lorag.use_cases.asking.artifacts import save_embeddings

    chunks = read_chunks(workspace.chunks_file)
    embedder = open_embedder(params.embedding, verify=True)
    cluster = _open_cluster(embedder, workspace, params)
    with (
        BlobCache(workspace.cache_file) as cache,
        show_progress(f"Embedding ({embedder.backend})", len(chunks)) as progress,
    ):
        vectors, count = embed_texts(
            [chunk.embedded_text for chunk in chunks],
            embedder,
            cache,
            batch_tokens=params.embedding.batch_tokens,
            progress=progress,
            names=[chunk.id for chunk in chunks],
            compute=cluster.compute if cluster else None,
        )
    save_embeddings(workspace.embeddings_file, vectors, embedder.fingerprint)
    counts = {
        "n_embedded": count.n_embedded,
        "n_cached": count.n_cached,
        "n_tokens": count.n_tokens,
        "backend": ", ".join(sorted(cluster.backends)) if cluster and cluster.backends else embedder.backend,
    }
    workspace.embedding_counts_file.write_text(json.dumps(counts), encoding="utf-8")


def make_validation(workspace: Workspace, params: Params) -> None:
    """Validate documents, chunks and vectors; write a report with Data Docs, and fail if a row fails."""
    from lorag.evaluation.validation import refuse_failures
    from lorag.integrations.great_expectations.suites import validate_corpus
    from lorag.integrations.models.embedder_tokenizer import load_token_counter
    from lorag.integrations.models.embedders import embedder_stamp
    from lorag.integrations.models.files import resolve_model
    from lorag.use_cases.asking.artifacts import load_embeddings

    chunks = read_chunks(workspace.chunks_file)
    vectors, fingerprint = load_embeddings(workspace.embeddings_file)
    tokens = load_token_counter(resolve_model(params.embedding.model))
    report = validate_corpus(
        documents=read_documents(workspace.documents_file),
        chunks=chunks,
        token_counts=tokens.count_many([chunk.embedded_text for chunk in chunks]),
        max_tokens=params.chunking.max_tokens,
        vectors=vectors,
        fingerprint=fingerprint,
        expected=embedder_stamp(params.embedding),
        out_dir=workspace.validation_folder,
    )
    refuse_failures(report)


def make_index_report(workspace: Workspace, params: Params) -> None:
    """Write the digests and sizes of the data for the index."""
    from lorag.integrations.models.embedder_tokenizer import load_token_counter
    from lorag.integrations.models.files import resolve_model
    from lorag.use_cases.asking.artifacts import load_embeddings
    from lorag.use_cases.refresh.pipeline import describe_index, spread_of_tokens

    chunks = read_chunks(workspace.chunks_file)
    _, fingerprint = load_embeddings(workspace.embeddings_file)
    tokens = load_token_counter(resolve_model(params.embedding.model))
    counts = tokens.count_many([chunk.embedded_text for chunk in chunks])
    documents = read_documents(workspace.documents_file)
    _write_report(workspace.reports / "index.json", describe_index(documents, chunks, counts, fingerprint))
    with (workspace.reports / "chunk_tokens.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["tokens", "chunks"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(spread_of_tokens(counts))


def make_retrieval_evaluation(workspace: Workspace, params: Params) -> None:
    """Evaluate each retriever on the golden questions; write empty reports if there are none."""
    from lorag.evaluation.by_question import write_questions
    from lorag.use_cases.asking.golden import evaluate_golden

    found = evaluate_golden(workspace, params)
    _write_report(workspace.reports / "retrieval.json", found.to_json())
    write_questions(workspace.searched_questions, found.questions)


def make_starting_adapter(adapter: AdapterKind, workspace: Workspace, params: Params) -> None:
    """Copy the pinned adapter to a separate folder."""
    from lorag.use_cases.retrain.starting_adapter import copy_starting_adapter

    copy_starting_adapter(adapter, workspace, params)


def make_training_set(adapter: AdapterKind, workspace: Workspace, params: Params) -> None:
    """Make training pairs from documents, chunks and questions.

    Of what the starting adapter has seen, only a share is used again.
    """
    from lorag.use_cases.retrain.build_training_set import build_training_set, read_seen
    from lorag.use_cases.retrain.starting_adapter import LINEAGE

    lineage = workspace.start_folder(adapter) / LINEAGE
    seen = read_seen(lineage) if lineage.is_file() else None
    build_training_set(adapter, workspace, params, environment=os.environ, seen=seen)


def make_adapter(adapter: AdapterKind, workspace: Workspace, params: Params) -> None:
    """Train an adapter on the training pairs."""
    from lorag.use_cases.retrain.train_adapter import train_adapter

    train_adapter(adapter, workspace, params)


def make_adapter_evaluation(adapter: AdapterKind, workspace: Workspace, params: Params) -> None:
    """Measure what the adapter knows, reads and has forgotten."""
    from lorag.use_cases.retrain.evaluate_adapter import evaluate_adapter

    evaluate_adapter(adapter, workspace, params)


def make_answers(strategy: Strategy, workspace: Workspace, params: Params) -> None:
    """Generate a strategy's answers to the questions of a comparison."""
    from lorag.use_cases.asking.answer_questions import answer_questions

    answer_questions(strategy, workspace, params, workspace.answers / strategy)


def make_comparison(workspace: Workspace, params: Params) -> None:
    """Compute the metrics of all answers, with intervals."""
    from lorag.use_cases.compare.compare_answers import compare, write_by_question, write_comparison

    write_comparison(compare(workspace.answers, workspace, params), workspace.reports)
    write_by_question(workspace, params)


STAGES: dict[str, Callable[[Workspace, Params], None]] = {
    "versions": make_versions,
    "documents": make_documents,
    "chunks": make_chunks,
    "embeddings": make_embeddings,
    "validation": make_validation,
    "index_report": make_index_report,
    "retrieval_evaluation": make_retrieval_evaluation,
    "comparison": make_comparison,
}

ADAPTER_STAGES: dict[str, Callable[[AdapterKind, Workspace, Params], None]] = {
    "starting_adapter": make_starting_adapter,
    "training_set": make_training_set,
    "adapter": make_adapter,
    "adapter_evaluation": make_adapter_evaluation,
}


STRATEGY_STAGES: dict[str, Callable[[Strategy, Workspace, Params], None]] = {"answers": make_answers}


def run_stage(name: str, root: Path, variant: str | None = None) -> None:
    """Run one stage, for one adapter or strategy if the stage has such variants; raise LoragError if it fails."""
    workspace = Workspace(root.resolve())
    workspace.state.mkdir(mode=0o700, exist_ok=True)
    params = load_params(workspace.params_file)
    if variant is None and name in STAGES:
        STAGES[name](workspace, params)
    elif variant in list(AdapterKind) and name in ADAPTER_STAGES:
        ADAPTER_STAGES[name](AdapterKind(variant), workspace, params)
    elif variant in list(Strategy) and name in STRATEGY_STAGES:
        STRATEGY_STAGES[name](Strategy(variant), workspace, params)
    else:
        known = [*STAGES, *(f"{stage} {kind}" for stage in ADAPTER_STAGES for kind in AdapterKind)]
        known += [f"{stage} {strategy}" for stage in STRATEGY_STAGES for strategy in Strategy]
        raise InputRejected(f"no stage {' '.join(filter(None, [name, variant]))!r}", do=f"one of {', '.join(known)}")


def _open_cluster(embedder: "Embedder", workspace: Workspace, params: Params) -> "Cluster | None":
    """Return the cluster; None if this process computes itself, which avoids the slow import of Prefect."""
    if params.compute.task_runner is TaskRunnerKind.THREADS:
        return None
    set_up_prefect(workspace.state, debug=False)
    from flows.embed_shards import Cluster

    return Cluster(embedder, params.embedding, params.compute, os.environ)


def _write_report(path: Path, report: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    """Run the stage named on the command line; on an error print one line and exit with its status.

    With `--serve` and the ends of a connection, run the stages that its caller asks for.
    """
    set_up_logging(debug=False)
    if sys.argv[1:2] == [SERVE]:
        # The command that asks for the stages ends this process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        import_ahead()
        serve_stages(int(sys.argv[2]), int(sys.argv[3]), run_here)
        return
    end_with_caller()
    sys.exit(_status_of(sys.argv[1:]))


def import_ahead() -> None:
    """Import what the stages of a refresh need; a failed import is reported by the stage that needs it."""
    # Great Expectations reads this when it is imported.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    # Almost nothing of what an import creates is garbage, and looking for it takes a fifth of the time.
    gc.disable()
    for name in FORKABLE_FOR_STAGES:
        with suppress(ImportError):
            importlib.import_module(name)
    import_threaded()
    gc.freeze()
    gc.enable()


def import_threaded() -> None:
    """Import what stages need and a process cannot be forked after: it starts threads."""
    with suppress(ImportError):
        from lorag.integrations.models.openvino_import import import_openvino

        import_openvino()


def run_here(arguments: Sequence[str]) -> int:
    """Run the stage of these arguments in the working directory; return its exit status, 1 for a defect of lorag."""
    try:
        return _status_of(arguments)
    except Exception:
        traceback.print_exc()
        return 1


def _status_of(arguments: Sequence[str]) -> int:
    try:
        name, variant, *_ = [*arguments, "", ""]
        run_stage(name, Path.cwd(), variant or None)
    except LoragError as error:
        return _report(error)
    except OSError as error:
        if (full := explain_limits(error, Path.cwd())) is None:
            raise
        return _report(full)
    except ImportError as error:
        if (missing := explain_missing(error)) is None:
            raise
        return _report(missing)
    return 0


def _report(error: LoragError) -> int:
    if not report_stage_error(error):
        sys.stderr.write(error.line() + "\n")
    return int(error.exit_status)


if __name__ == "__main__":
    main()
