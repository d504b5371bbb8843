"""The sections of params.yaml: types and ranges. The values are only in params.yaml, which params_file reads."""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from lorag.digests import digest_of
from lorag.strategies import AdapterKind, Strategy

Share = Annotated[float, Field(ge=0, le=1)]
Price = Annotated[float, Field(ge=0, le=1e6)]
ModelReference = Annotated[str, Field(min_length=1, max_length=500)]
"""The place of a model: `package:<import name>[/<path>]`, `hub:<org/name>` or a folder, relative to the workspace."""


def _each_once(values: tuple[object, ...]) -> tuple[object, ...]:
    if repeated := [value for at, value in enumerate(values) if value in values[:at]]:
        raise ValueError(f"names {repeated[0]} twice")
    return values


EachOnce = AfterValidator(_each_once)
"""A check that a list has no item twice."""


class Section(BaseModel):
    """A frozen section that refuses unknown keys, numbers that are not finite, and booleans for numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    @field_validator("*", mode="wrap")
    @classmethod
    def _numbers_are_finite_and_no_booleans(
        cls, value: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        # Before the check of the field's range, whose message does not fit.
        if any(isinstance(item, float) and not math.isfinite(item) for item in _items(value)):
            raise ValueError("must be a finite number, neither nan nor infinity")
        checked = check(value)
        # After it, so that a field of words or choices asks for one of these.
        is_switch = cls.model_fields[info.field_name or ""].annotation is bool
        if not is_switch and any(isinstance(item, bool) for item in _items(value)):
            raise ValueError("must be a number, neither true nor false")
        return checked


def _items(value: Any) -> Iterator[Any]:
    yield from value if isinstance(value, list | tuple) else (value,)


class SecretPolicy(StrEnum):
    """The treatment of a document that seems to contain a secret."""

    QUARANTINE = "quarantine"
    FLAG = "flag"


class ChunkingStrategy(StrEnum):
    """The places where a document may be cut."""

    STRUCTURE = "structure"
    RECURSIVE = "recursive"
    SENTENCE = "sentence"
    FIXED = "fixed"


class Backend(StrEnum):
    """The library that computes embeddings."""

    AUTO = "auto"
    OPENVINO = "openvino"
    TORCH = "torch"


class Precision(StrEnum):
    """The arithmetic of the embedder."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


class Engine(StrEnum):
    """The program that runs the language model; `auto` takes the endpoint if the environment names one.

    Without an endpoint it takes transformers where there is a GPU or OpenVINO cannot run the model, else OpenVINO.
    """

    AUTO = "auto"
    OPENVINO = "openvino"
    TRANSFORMERS = "transformers"
    ENDPOINT = "endpoint"


class GenerationPrecision(StrEnum):
    """The arithmetic of OpenVINO: `exact` writes what transformers writes in float32, `int8` is faster."""

    EXACT = "exact"
    INT8 = "int8"


class StoreKind(StrEnum):
    """The vector stores."""

    LANCEDB = "lancedb"
    WEAVIATE = "weaviate"


class RetrieverKind(StrEnum):
    """The way candidates are found; `fused` merges the ranks of dense and BM25 search."""

    DENSE = "dense"
    BM25 = "bm25"
    FUSED = "fused"

    @property
    def label(self) -> str:
        """Return the name in prose and tables."""
        return "dense+bm25" if self is RetrieverKind.FUSED else self.value


class Rewriting(StrEnum):
    """The rewriting of a question by the generator before the search."""

    NONE = "none"
    MULTI_QUERY = "multi_query"
    HYDE = "hyde"


class TaskRunnerKind(StrEnum):
    """The place where the shards of the embedding stage are computed."""

    THREADS = "threads"
    DASK = "dask"
    RAY = "ray"


class LoraMethod(StrEnum):
    """The training method of the low-rank update."""

    LORA = "lora"
    DORA = "dora"
    RSLORA = "rslora"
    QLORA = "qlora"


class TrainingStart(StrEnum):
    """The weights from which training starts."""

    SCRATCH = "scratch"
    CHAMPION = "champion"


class LearningRateSchedule(StrEnum):
    """The course of the learning rate after the warm-up."""

    COSINE = "cosine"
    LINEAR = "linear"
    CONSTANT = "constant"


class Wording(StrEnum):
    """The wording of the questions in a comparison."""

    HELD_OUT = "held_out"
    QUESTION = "question"


class ParserParams(Section):
    """The limits of the child process for parsing one document."""

    memory_mb: int = Field(ge=64, le=65_536)
    timeout_s: float = Field(ge=0.1, le=600)
    max_depth: int = Field(ge=8, le=1_000)
    max_characters: int = Field(ge=1_000, le=100_000_000)


class KnowledgeParams(Section):
    """The sources of documents and questions, and which documents are accepted."""

    source: str = Field(min_length=1)
    questions: str = Field(min_length=1)
    controls: str = Field(min_length=1)
    unanswerable: str = Field(min_length=1)
    style: str = Field(min_length=1)
    origin: Annotated[str, Field(min_length=1)] | None
    questions_origin: Annotated[str, Field(min_length=1)] | None
    max_file_bytes: int = Field(ge=1, le=1_000_000_000)
    max_rejected_share: Share
    secrets: SecretPolicy
    commit: bool
    approve_new_sources: bool
    parser: ParserParams

    @model_validator(mode="after")
    def _can_hold_back(self) -> Self:
        if self.approve_new_sources and self.origin is None:
            raise ValueError("approve_new_sources needs an origin: what is read in place cannot be held back")
        return self


class ChunkingParams(Section):
    """The settings for cutting documents; sizes are in the embedder's tokens."""

    strategy: ChunkingStrategy
    max_tokens: int = Field(ge=16, le=8_192)
    min_tokens: int = Field(ge=0, le=4_096)
    overlap_tokens: int = Field(ge=0, le=4_096)

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.overlap_tokens >= self.max_tokens:
            raise ValueError(f"overlap_tokens {self.overlap_tokens} must be below max_tokens {self.max_tokens}")
        if self.min_tokens >= self.max_tokens:
            raise ValueError(f"min_tokens {self.min_tokens} must be below max_tokens {self.max_tokens}")
        return self


class EmbeddingParams(Section):
    """The embedder and how it is computed."""

    model: ModelReference
    max_tokens: int = Field(ge=16, le=32_768)
    backend: Backend
    precision: Precision
    batch_tokens: int = Field(ge=256, le=1_000_000)
    threads: int = Field(ge=0, le=1_024)


class ComputeParams(Section):
    """The place where work is done; it changes no result except the last bits."""

    task_runner: TaskRunnerKind
    workers: int = Field(ge=1, le=1_024)
    batches_per_shard: int = Field(ge=1, le=100_000)
    shard_base: bool


class IndexParams(Section):
    """The vector store and how many generations it keeps."""

    store: StoreKind
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    ann_from_rows: int = Field(ge=256, le=100_000_000)
    retain_generations: int = Field(ge=1, le=1_000)
    replication_factor: int = Field(ge=1, le=100)
    shards: int = Field(ge=1, le=1_000)


class SearchParams(Section):
    """The settings for finding chunks for a question."""

    retriever: RetrieverKind
    top_k: int = Field(ge=1, le=1_000)
    candidates: int = Field(ge=1, le=10_000)
    rrf_k: int = Field(ge=1, le=10_000)
    max_per_document: int = Field(ge=1, le=1_000)
    mmr_lambda: Share | None
    prefer_newer: bool
    reranker: ModelReference | None
    rerank_candidates: int = Field(ge=1, le=1_000)
    rewriting: Rewriting
    min_similarity: float = Field(ge=-1, le=1)

    @model_validator(mode="after")
    def _enough_candidates(self) -> Self:
        if self.candidates < self.top_k:
            raise ValueError(f"candidates {self.candidates} must be at least top_k {self.top_k}")
        return self


class GenerationParams(Section):
    """The language model that answers."""

    model: ModelReference
    engine: Engine
    precision: GenerationPrecision
    endpoint_model: Annotated[str, Field(min_length=1)] | None
    max_new_tokens: int = Field(ge=1, le=4_096)
    max_context_tokens: int = Field(ge=64, le=1_000_000)
    temperature: float = Field(ge=0, le=2)
    seed: int = Field(ge=0, le=2**31)


class AnsweringParams(Section):
    """The context of an answer, and the support that a citation needs."""

    context_chunks: int = Field(ge=1, le=100)
    context_sentences: int | None = Field(ge=1, le=10_000)
    min_support: Share


class AskingParams(Section):
    """The questions that are understood in another way than as they are written."""

    past: bool


class GateParams(Section):
    """The limits that a new generation must meet before it is published."""

    max_shrink_share: Share
    min_recall_at_10: Share
    max_recall_drop: Share
    max_questions: int = Field(ge=0, le=100_000)
    mend_attempts: int = Field(ge=0, le=10)


class EvaluationParams(Section):
    """The cut-offs of the retrieval metrics."""

    k: Annotated[tuple[Annotated[int, Field(ge=1, le=100)], ...], Field(min_length=1), EachOnce]


class TuningParams(Section):
    """The adapters to retrain."""

    adapters: Annotated[tuple[AdapterKind, ...], Field(min_length=1), EachOnce]


class TrainingSetParams(Section):
    """The training data of the adapters."""

    questions: bool
    text: bool
    raft: bool
    raft_without_gold_share: Share
    raft_changed_share: Share
    raft_quote: bool
    summarisation: bool
    classification: bool
    extraction: bool
    style: bool
    synthetic_per_chunk: int = Field(ge=0, le=20)
    general_share: float = Field(ge=0, lt=1)
    older_share: Share
    max_pair_tokens: int = Field(ge=16, le=131_072)
    max_answer_tokens: int = Field(ge=1, le=131_072)
    min_pairs: int = Field(ge=1, le=1_000_000)
    seed: int = Field(ge=0, le=2**31)

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.raft_without_gold_share + self.raft_changed_share > 1:
            raise ValueError("raft_without_gold_share and raft_changed_share exceed 1 together")
        if self.max_answer_tokens >= self.max_pair_tokens:
            raise ValueError(
                f"max_answer_tokens {self.max_answer_tokens} must be below max_pair_tokens {self.max_pair_tokens}"
            )
        return self


def _name_modules(value: Any) -> Any:
    if isinstance(value, list | tuple):
        if not value or not all(isinstance(name, str) and name for name in value):
            raise ValueError("must be names of modules, or `all-linear` for all of them")
        return _each_once(tuple(value))
    return value


class TrainingParams(Section):
    """The training settings of one adapter."""

    method: LoraMethod
    start: TrainingStart
    continued_epochs: int = Field(ge=1, le=1_000)
    continued_learning_rate: float = Field(gt=0, le=1)
    target_modules: Annotated[Literal["all-linear"] | tuple[str, ...], BeforeValidator(_name_modules)]
    rank: int = Field(ge=1, le=1_024)
    alpha: float = Field(gt=0, le=4_096)
    dropout: float = Field(ge=0, lt=1)
    question_dropout: float = Field(ge=0, lt=1)
    learning_rate: float = Field(gt=0, le=1)
    schedule: LearningRateSchedule
    warmup_share: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0, le=10)
    max_grad_norm: float = Field(gt=0, le=1_000)
    epochs: int = Field(ge=1, le=1_000)
    batch_tokens: int = Field(ge=32, le=10_000_000)
    gradient_accumulation: int = Field(ge=1, le=10_000)
    gradient_checkpointing: bool
    patience_epochs: int | None = Field(ge=1, le=1_000)
    precision: Precision
    threads: int = Field(ge=0, le=1_024)
    seed: int = Field(ge=0, le=2**31)

    def when_continuing(self) -> Self:
        """Return a copy with the epochs and the learning rate of a training that continues from an adapter."""
        return self.model_copy(update={"epochs": self.continued_epochs, "learning_rate": self.continued_learning_rate})


class AdapterGateParams(Section):
    """The limits that a new adapter must meet before it is served; None for a probe that is only measured."""

    min_new_facts: Share
    max_old_loss: Share
    max_control_loss: Share
    min_refusal: Share
    min_context_reading: Share | None
    max_irrelevant_answered: Share | None
    min_gain_over_base: float = Field(ge=-1, le=1)
    min_gain_over_champion: float = Field(ge=-1, le=1)


class ParameterSearchParams(Section):
    """The ranges that `lorag search-params` tries, and its limits."""

    minutes: float = Field(ge=0.01, le=100_000)
    trials: int = Field(ge=1, le=100_000)
    epochs: int = Field(ge=1, le=1_000)
    rank: Annotated[tuple[Annotated[int, Field(ge=1, le=1_024)], ...], Field(min_length=1), EachOnce]
    learning_rate: tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]]
    dropout: Annotated[tuple[Annotated[float, Field(ge=0, lt=1)], ...], Field(min_length=1), EachOnce]

    @model_validator(mode="after")
    def _least_first(self) -> Self:
        if self.learning_rate[0] > self.learning_rate[1]:
            raise ValueError("learning_rate must give the least value first")
        return self


class ComparisonParams(Section):
    """The compared strategies, their questions, and the confidence of the figures."""

    strategies: Annotated[tuple[Strategy, ...], Field(min_length=1), EachOnce]
    wording: Wording
    limit: int | None = Field(ge=1, le=1_000_000)
    reading: bool
    bootstrap_samples: int = Field(ge=100, le=100_000)
    confidence: float = Field(ge=0.5, le=0.999)
    latency_questions: int = Field(ge=1, le=10_000)
    seed: int = Field(ge=0, le=2**31)


class TimelineParams(Section):
    """The settings of a walk through the versions of the knowledge."""

    fresh_questions: int = Field(ge=1, le=10_000)


class PriceParams(Section):
    """The price book, in `costs.currency`."""

    cpu_hour: Price
    gpu_hour: Price
    kwh: Price
    storage_gb_month: Price
    million_input_tokens: Price
    million_output_tokens: Price


class CostParams(Section):
    """The conversion of use to money and carbon."""

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    country: str = Field(pattern=r"^[A-Z]{3}$")
    prices: PriceParams


Axis = tuple[Annotated[float, Field(gt=0, le=1e12)], Annotated[float, Field(gt=0, le=1e12)]]


class BreakEvenParams(Section):
    """The chart of the cheapest strategy; each range gives the least value first."""

    updates_per_day: Axis
    queries_per_day: Axis
    points: int = Field(ge=2, le=1_000)
    strategies: Annotated[tuple[Strategy, ...], Field(min_length=1), EachOnce]
    min_accuracy: Share

    @model_validator(mode="after")
    def _least_first(self) -> Self:
        for least, greatest in (self.updates_per_day, self.queries_per_day):
            if least >= greatest:
                raise ValueError(f"a range from {least:g} to {greatest:g}: give the least value first")
        return self


class AdviceParams(Section):
    """The thresholds from which a figure decides for or against a strategy."""

    max_accuracy_loss: Share
    max_update_share: Share
    max_extrapolation: float = Field(ge=1, le=1e6)
    plan_share: Share


def _name_each_adapter(value: Any) -> Any:
    if isinstance(value, dict):
        wanted = {kind.value for kind in AdapterKind}
        if unknown := sorted(set(map(str, value)) - wanted):
            raise ValueError(f"unknown adapter `{unknown[0]}`, known are {', '.join(sorted(wanted))}")
        if missing := sorted(wanted - set(map(str, value))):
            raise ValueError(f"missing key `{missing[0]}`")
    return value


class RetrainParams(Section):
    """What makes a retrain of one adapter due, whichever comes first; with all null it is trained once.

    `from_share` is of the documents or the facts that it learned. `removed`: also as soon as a document that it learned
    is gone.
    """

    every_updates: Annotated[int, Field(ge=1, le=1_000_000)] | None
    every_days: Annotated[int, Field(ge=1, le=36_500)] | None
    from_share: Share | None
    removed: bool


class PolicyParams(Section):
    """The policy in force: the strategy whose adapter is kept up to date, None for each, and when it is retrained."""

    strategy: Strategy | None
    retrain: Annotated[dict[AdapterKind, RetrainParams], BeforeValidator(_name_each_adapter)]

    def keeps(self, kind: AdapterKind) -> bool:
        """Return whether this adapter is kept up to date."""
        return self.strategy is None or self.strategy.profile.adapter is kind


_LEAST_S, _MOST_S = 5, 31_536_000


def _check_schedule(value: Any) -> Any:
    if isinstance(value, str):
        _check_cron(value)
    elif value is not None and (type(value) is not int or not _LEAST_S <= value <= _MOST_S):
        raise ValueError(f"must be a cron line, null, or whole seconds from {_LEAST_S} to {_MOST_S}")
    return value


def _check_cron(line: str) -> None:
    wanted = "must be a cron line such as `0 3 * * 0`"
    # Prefect, which runs the schedules, writes the last weekday differently from the parser.
    if not re.fullmatch(r"\S+( \S+){4}", line) or re.search(r"(?i)lw|\dl", line):
        raise ValueError(f"{wanted}, of five fields")
    try:
        next(CronSim(line, datetime(2000, 1, 1)))
    except (CronSimError, StopIteration) as error:
        raise ValueError(f"{wanted}: {str(error).lower() or 'its day never comes'}") from None


Schedule = Annotated[str | int | None, BeforeValidator(_check_schedule)]
"""A cron line, the seconds between two runs, or None for never."""


class SchedulesParams(Section):
    """The schedules of flows; `quiet_s` and `longest_burst_s` combine many edits into one change."""

    timezone: str
    refresh: Schedule
    retrain: Schedule
    compare: Schedule
    clean_up: Schedule
    compare_after: Annotated[tuple[Literal["refresh", "retrain"], ...], EachOnce]
    quiet_s: float = Field(ge=0.05, le=3_600)
    longest_burst_s: float = Field(ge=0.05, le=86_400)
    poll_s: Annotated[float, Field(ge=0.1, le=1e6)] | None
    writer_wait_s: float = Field(ge=0, le=604_800)

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"no time zone {name!r}: name one such as Europe/Berlin") from None
        return name

    @model_validator(mode="after")
    def _bursts_last_longer_than_their_pauses(self) -> Self:
        if self.quiet_s > self.longest_burst_s:
            raise ValueError(f"quiet_s {self.quiet_s:g} must not exceed longest_burst_s {self.longest_burst_s:g}")
        return self


class ServiceParams(Section):
    """The service of `lorag serve`: where its keys are, what it refuses, and how long it keeps what was asked."""

    keys_file: str = Field(min_length=1, max_length=500)
    answers_at_once: int = Field(ge=1, le=1_000)
    queue: int = Field(ge=0, le=100_000)
    deadline_s: float = Field(gt=0, le=3_600)
    max_body_bytes: int = Field(ge=1_024, le=100_000_000)
    requests_per_minute: int = Field(ge=1, le=1_000_000)
    keep_questions_days: float = Field(ge=0, le=3_650)
    trace_share: float = Field(ge=0, le=1)
    keep_traces_days: float = Field(ge=0, le=3_650)


class TrackingParams(Section):
    """The place where runs are logged."""

    experiment: str = Field(min_length=1, max_length=100)


_ANSWERS: Any = {
    # Models count by their files, among the versions: the same model under another name answers the same.
    "chunking": True,
    "embedding": {"max_tokens"},
    "index": {"ann_from_rows"},
    "search": set(SearchParams.model_fields) - {"reranker"},
    "generation": set(GenerationParams.model_fields) - {"model"},
    "answering": True,
    # The others are left out. The documents' digest covers what `knowledge` accepts. `compute` and the other values of
    # `index` and `embedding` say where work is done, how many copies are kept and how exactly numbers are computed. The
    # adapters' sha256 covers `tuning`, `training_set` and `training`. `gate`, `adapter_gate`, `evaluation`,
    # `comparison`, `timeline` and `parameter_search` judge answers. `costs`, `break_even` and `advice` compute costs.
    # `policy`, `schedules` and `tracking` say when flows run and where they are logged, `service` who may ask and how
    # often, and `asking` which release a question is for.
}
_ANSWER_VERSIONS = (
    # The documents' digest covers `parser`; the adapters' sha256 covers `loop` and `training_set`.
    "chunker",
    "embedder",
    "search",
    "reranker",
    "prompts",
    "answering",
    "generation",
    "base_model",
)


class Params(Section):
    """The whole params.yaml."""

    knowledge: KnowledgeParams
    chunking: ChunkingParams
    embedding: EmbeddingParams
    compute: ComputeParams
    index: IndexParams
    search: SearchParams
    generation: GenerationParams
    answering: AnsweringParams
    asking: AskingParams
    gate: GateParams
    evaluation: EvaluationParams
    tuning: TuningParams
    training_set: TrainingSetParams
    training: Annotated[dict[AdapterKind, TrainingParams], BeforeValidator(_name_each_adapter)]
    adapter_gate: Annotated[dict[AdapterKind, AdapterGateParams], BeforeValidator(_name_each_adapter)]
    parameter_search: ParameterSearchParams
    comparison: ComparisonParams
    timeline: TimelineParams
    costs: CostParams
    break_even: BreakEvenParams
    advice: AdviceParams
    policy: PolicyParams
    schedules: SchedulesParams
    service: ServiceParams
    tracking: TrackingParams

    @model_validator(mode="after")
    def _chunks_fit_the_context(self) -> Self:
        if self.answering.context_chunks > self.search.top_k:
            raise ValueError(
                f"answering.context_chunks {self.answering.context_chunks} must not exceed "
                f"search.top_k {self.search.top_k}"
            )
        if self.generation.max_context_tokens < self.chunking.max_tokens:
            raise ValueError(
                f"generation.max_context_tokens {self.generation.max_context_tokens} must hold a chunk of "
                f"chunking.max_tokens {self.chunking.max_tokens}"
            )
        return self

    @model_validator(mode="after")
    def _chunks_fit_the_embedder(self) -> Self:
        if self.chunking.max_tokens > self.embedding.max_tokens:
            raise ValueError(
                f"chunking.max_tokens {self.chunking.max_tokens} must not exceed "
                f"embedding.max_tokens {self.embedding.max_tokens}"
            )
        return self

    def answers_digest(self, versions: Mapping[str, Any]) -> str:
        """Return a digest of what changes an answer besides the documents: settings and some of versions.json."""
        return digest_of([self.model_dump(mode="json", include=_ANSWERS), {n: versions[n] for n in _ANSWER_VERSIONS}])
