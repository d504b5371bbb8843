"""The paths of a workspace."""

from dataclasses import dataclass
from pathlib import Path

from lorag.errors import WorkspaceError
from lorag.strategies import AdapterKind

COMMITTED = (
    "params.yaml",
    "dvc.yaml",
    "dvc.lock",
    "starts.json",
    "versions.json",
    "reports/",
    "data/source.dvc",
    "data/questions.jsonl.dvc",
    "data/.gitignore",
)
"""The paths that a refresh commits, besides a workspace's own questions; a folder ends in a slash."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A git and DVC repository with params.yaml and dvc.yaml; `root` is absolute."""

    root: Path

    @property
    def params_file(self) -> Path:
        """The settings file."""
        return self.root / "params.yaml"

    @property
    def state(self) -> Path:
        """The folder of served state and caches; never versioned."""
        return self.root / ".lorag"

    @property
    def adapters(self) -> Path:
        """The adapters that retained releases name."""
        return self.state / "adapters"

    @property
    def lock_file(self) -> Path:
        """The lock that the only writer holds."""
        return self.state / "writer.lock"

    @property
    def command_lock_file(self) -> Path:
        """The lock of a command that writes, from its first look on; its flow takes the writer's seconds later."""
        return self.state / "command.lock"

    @property
    def service_file(self) -> Path:
        """Where the service of `lorag serve` listens, with its key; only while it runs, and for this user alone."""
        return self.state / "run" / "service.json"

    @property
    def service_key_file(self) -> Path:
        """The owner's key of `lorag serve`, made at its first start and kept; for this user alone."""
        return self.state / "serve.key"

    @property
    def queries_file(self) -> Path:
        """What the service was asked, a JSON object a line; for this user alone."""
        return self.state / "queries.jsonl"

    @property
    def routers(self) -> Path:
        """The folder of what chooses a strategy for each question, a file for the releases that share its adapters."""
        return self.state / "routers"

    @property
    def answer_costs_file(self) -> Path:
        """What the answers of the service cost, a JSON object a line, without any text; for this user alone."""
        return self.state / "answer_costs.jsonl"

    @property
    def traced_file(self) -> Path:
        """An empty file that says that answers were traced, and that old traces have to be deleted."""
        return self.state / "traced"

    @property
    def forgetting_file(self) -> Path:
        """What an unfinished erasure of a document looks for; it has words of the document, and goes last."""
        return self.state / "forgetting.json"

    @property
    def receipts(self) -> Path:
        """The folder with a receipt for each document that was forgotten."""
        return self.state / "receipts"

    @property
    def question_candidates_file(self) -> Path:
        """Questions that were declined or marked, a JSON object a line; for this user alone."""
        return self.state / "candidates.jsonl"

    @property
    def followed_plan_file(self) -> Path:
        """The plan that `lorag plan --follow` put in force, and what it predicted."""
        return self.state / "followed_plan.json"

    @property
    def settled_file(self) -> Path:
        """What the last complete refresh read and left, as digests; without it the next one looks at everything."""
        return self.state / "settled.json"

    @property
    def cache_file(self) -> Path:
        """The cache of parsed documents, chunks and embeddings by content; it may be deleted at any time."""
        return self.state / "cache.sqlite"

    @property
    def embedding_counts_file(self) -> Path:
        """The counts of what the last embeddings stage really embedded; not a result, so not an output of the stage."""
        return self.state / "embedding_counts.json"

    @property
    def source_report_file(self) -> Path:
        """What the last refresh found in the source beside its documents; it may be deleted at any time."""
        return self.state / "source_report.json"

    @property
    def unlogged_costs(self) -> Path:
        """The folder of what updates used and no run has logged yet, a file each."""
        return self.state / "unlogged_costs"

    def trained_file(self, adapter: AdapterKind) -> Path:
        """Return the file of what the last adapter stage really trained; not a result, so not an output of it."""
        return self.state / "training" / f"{adapter}.json"

    @property
    def documents_file(self) -> Path:
        """The output of the documents stage."""
        return self.root / "artifacts" / "documents.jsonl"

    @property
    def rejected_file(self) -> Path:
        """The documents that the documents stage quarantined."""
        return self.root / "artifacts" / "rejected.jsonl"

    @property
    def chunks_file(self) -> Path:
        """The output of the chunks stage."""
        return self.root / "artifacts" / "chunks.jsonl"

    @property
    def embeddings_file(self) -> Path:
        """The output of the embeddings stage: one row per chunk, in the order of the chunks file."""
        return self.root / "artifacts" / "embeddings.safetensors"

    @property
    def validation_folder(self) -> Path:
        """The output of the validation stage: report and Data Docs."""
        return self.root / "artifacts" / "validation"

    @property
    def starts_file(self) -> Path:
        """The file that names, by sha256, the adapter that each training continues from; versioned by git."""
        return self.root / "starts.json"

    @property
    def versions_file(self) -> Path:
        """The output of the versions stage: versions of code, prompts and model files, for the other stages."""
        return self.root / "versions.json"

    def start_folder(self, adapter: AdapterKind) -> Path:
        """Return the starting_adapter stage's output folder: start.json, and the adapter to continue from, if any."""
        return self.root / "artifacts" / "start" / adapter

    def training_folder(self, adapter: AdapterKind) -> Path:
        """Return the output folder of the training_set stage: pairs, lineage and their validation."""
        return self.root / "artifacts" / "training" / adapter

    def adapter_folder(self, adapter: AdapterKind) -> Path:
        """Return the output folder of the adapter stage: weights, config and training.json."""
        return self.root / "artifacts" / "adapters" / adapter

    def evaluation_folder(self, adapter: AdapterKind) -> Path:
        """Return the folder with every answer of an adapter's evaluation."""
        return self.root / "artifacts" / "evaluation" / adapter.value

    def refusal_file(self, adapter: AdapterKind) -> Path:
        """Return the file with every question behind the probes that the last adapter failed; none if it passed."""
        return self.root / "artifacts" / f"refused_{adapter}.json"

    def adapter_report(self, adapter: AdapterKind) -> Path:
        """Return the output file of the adapter_evaluation stage."""
        return self.reports / f"adapter_{adapter}.json"

    def seeds_report(self, adapter: AdapterKind) -> Path:
        """Return the file that reports the results of other training seeds."""
        return self.reports / f"seeds_{adapter}.json"

    @property
    def answers(self) -> Path:
        """The output of the answers stages: a folder for each strategy."""
        return self.root / "artifacts" / "answers"

    @property
    def batches(self) -> Path:
        """The record of what the last answers stages really generated, and its cost; not a result, so not an output."""
        return self.state / "batches"

    @property
    def searched_questions(self) -> Path:
        """What the retrieval evaluation found for each question, a JSON object a line."""
        return self.reports / "retrieval_questions.jsonl"

    @property
    def answered_questions(self) -> Path:
        """Whether each strategy of the comparison answered each question as wanted, a JSON object a line."""
        return self.reports / "comparison_questions.jsonl"

    @property
    def last_comparison(self) -> Path:
        """The result of the last comparison, as `lorag compare --json` prints it; like the page, it contains times."""
        return self.state / "comparison.json"

    @property
    def comparison_page(self) -> Path:
        """The report of the last comparison; it contains times, so it is no output of a stage and not versioned."""
        return self.reports / "comparison.html"

    @property
    def release_card(self) -> Path:
        """The card of the release that was compared last; like the page, it contains times and is not versioned."""
        return self.root / "artifacts" / "release_card.md"

    @property
    def reports(self) -> Path:
        """The metrics and plots that DVC shows."""
        return self.root / "reports"

    def resolve(self, path: str) -> Path:
        """Return the absolute form of a path from params, which is relative to the workspace unless absolute."""
        return (self.root / path).resolve()

    def name_of(self, reference: str) -> str:
        """Return a reference to a model in the form of records: a folder inside the workspace is relative to it."""
        path = Path(reference)
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else reference


def refuse_unusable_path(root: Path) -> None:
    """Raise WorkspaceError for a path with a line break or another control character, or that is not UTF-8."""
    if any(
        ord(character) < 32 or "\ud800" <= character <= "\udfff" or ord(character) == 127 for character in str(root)
    ):
        raise WorkspaceError(
            "a workspace cannot lie at a path with control characters or bytes that are not UTF-8",
            where=repr(str(root)),
            do="give its folder another name",
        )


def find_workspace(start: Path) -> Workspace:
    """Return the workspace that contains `start`; raise WorkspaceError if there is none."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            refuse_unusable_path(folder)
            return Workspace(folder)
    raise WorkspaceError(
        "not inside a workspace",
        where=str(start),
        do="change into one, or make one with `lorag init DIR --source DOCS`",
    )
