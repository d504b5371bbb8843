"""Where things lie in a workspace."""

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
"""What a refresh commits, beside the questions that a workspace holds itself; a folder ends in a slash."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A git and DVC repository with params.yaml and dvc.yaml; `root` is absolute."""

    root: Path

    @property
    def params_file(self) -> Path:
        """The settings."""
        return self.root / "params.yaml"

    @property
    def state(self) -> Path:
        """What is served and what makes it quick; never versioned."""
        return self.root / ".lorag"

    @property
    def adapters(self) -> Path:
        """The adapters that retained releases name."""
        return self.state / "adapters"

    @property
    def lock_file(self) -> Path:
        """Held by the only writer."""
        return self.state / "writer.lock"

    @property
    def cache_file(self) -> Path:
        """Parses, chunks and embeddings by content; may be deleted at any time."""
        return self.state / "cache.sqlite"

    @property
    def embedding_counts_file(self) -> Path:
        """How much the last embeddings stage really embedded; not a result, so not an output of it."""
        return self.state / "embedding_counts.json"

    @property
    def unlogged_costs(self) -> Path:
        """What updates used that no run tells of yet, a file each."""
        return self.state / "unlogged_costs"

    def trained_file(self, adapter: AdapterKind) -> Path:
        """How much the last adapter stage really trained; not a result, so not an output of it."""
        return self.state / "training" / f"{adapter}.json"

    @property
    def documents_file(self) -> Path:
        """Output of the documents stage."""
        return self.root / "artifacts" / "documents.jsonl"

    @property
    def rejected_file(self) -> Path:
        """Documents that the documents stage quarantined."""
        return self.root / "artifacts" / "rejected.jsonl"

    @property
    def chunks_file(self) -> Path:
        """Output of the chunks stage."""
        return self.root / "artifacts" / "chunks.jsonl"

    @property
    def embeddings_file(self) -> Path:
        """Output of the embeddings stage: one row a chunk, in the order of the chunks file."""
        return self.root / "artifacts" / "embeddings.safetensors"

    @property
    def validation_folder(self) -> Path:
        """Output of the validation stage: report and Data Docs."""
        return self.root / "artifacts" / "validation"

    @property
    def starts_file(self) -> Path:
        """Which adapter each training continues from, by sha256; versioned by git."""
        return self.root / "starts.json"

    @property
    def versions_file(self) -> Path:
        """Output of the versions stage: of code, prompts and model files, what the other stages depend on."""
        return self.root / "versions.json"

    def start_folder(self, adapter: AdapterKind) -> Path:
        """Output of the starting_adapter stage: start.json, and the adapter to continue from if there is one."""
        return self.root / "artifacts" / "start" / adapter

    def training_folder(self, adapter: AdapterKind) -> Path:
        """Output of the training_set stage: pairs, lineage and their validation."""
        return self.root / "artifacts" / "training" / adapter

    def adapter_folder(self, adapter: AdapterKind) -> Path:
        """Output of the adapter stage: weights, config and training.json."""
        return self.root / "artifacts" / "adapters" / adapter

    def evaluation_folder(self, adapter: AdapterKind) -> Path:
        """Every answer of an adapter's exam."""
        return self.root / "artifacts" / "evaluation" / adapter.value

    def adapter_report(self, adapter: AdapterKind) -> Path:
        """Output of the adapter_evaluation stage."""
        return self.reports / f"adapter_{adapter}.json"

    def seeds_report(self, adapter: AdapterKind) -> Path:
        """What other training seeds would have given."""
        return self.reports / f"seeds_{adapter}.json"

    @property
    def answers(self) -> Path:
        """Output of the answers stages: a folder for each strategy."""
        return self.root / "artifacts" / "answers"

    @property
    def batches(self) -> Path:
        """What the last answers stages really generated, and at what cost; not a result, so not an output of them."""
        return self.state / "batches"

    @property
    def last_comparison(self) -> Path:
        """What the last comparison found, as `lorag compare --json` prints it; it holds times, as the page does."""
        return self.state / "comparison.json"

    @property
    def comparison_page(self) -> Path:
        """The report of the last comparison; it holds times, so it is no output of a stage and not versioned."""
        return self.reports / "comparison.html"

    @property
    def reports(self) -> Path:
        """Metrics and plots that DVC shows."""
        return self.root / "reports"

    def resolve(self, path: str) -> Path:
        """A path from params, relative to the workspace unless absolute."""
        return (self.root / path).resolve()

    def name_of(self, reference: str) -> str:
        """A reference to a model as records keep it: a folder inside the workspace is named relative to it."""
        path = Path(reference)
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else reference


def find_workspace(start: Path) -> Workspace:
    """The workspace that holds `start`; raises WorkspaceError where there is none."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            return Workspace(folder)
    raise WorkspaceError(
        "not inside a workspace",
        where=str(start),
        do="change into one, or make one with `lorag init DIR --source DOCS`",
    )
