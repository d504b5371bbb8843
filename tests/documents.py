"""The project's Markdown files, and the command lines that they show."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHOWN = (ROOT / "README.md", ROOT / "docs" / "guide.md")
"""The pages whose `console` blocks are run or checked line by line."""

RUN = (
    "cd",
    "lorag (init|refresh|ask|models|status|rollback|releases|search|doctor|check|claims|costs|break-even|advise|plan)",
)
"""What tests/e2e/test_documents.py runs, on a tiny folder."""

NOT_RUN = {
    "make": "sets up environments and starts servers",
    "source": "the tests have their environment already",
    "dvc": "the stages have tests of their own",
    "lorag (retrain|seeds|search-params)": "trains",
    "lorag ask .* --strategy hybrid": "needs an adapter, which is trained",
    "lorag ask .* --strategy auto": "needs a router, which a comparison of many questions fits",
    "lorag (compare|timeline)": "takes minutes",
    "lorag questions (draft|review)": "asks a language model, and then a person",
    "lorag models --measure": "takes a minute for each model",
    "accelerate launch": "trains on several GPUs",
    "torchrun": "trains on two processes",
}
"""What is only checked: the command, its options and what they name exist. Wins over RUN."""


def markdown_files() -> list[Path]:
    """All pages; the documents of the sample knowledge base are data."""
    folders = [ROOT, *(ROOT / name for name in ("docs", "mlflow", "knowledge", "benchmarks"))]
    return [path for folder in folders for path in sorted(folder.glob("*.md"))] + sorted(ROOT.glob("infra/**/*.md"))


def console_blocks(page: Path) -> list[list[str]]:
    """The lines of each `console` block, without those that are comments."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [[line for line in block.splitlines() if not line.startswith("#")] for block in blocks]


def is_run(line: str) -> bool:
    return not why_not_run(line) and any(re.match(rf"{pattern}\b", line) for pattern in RUN)


def why_not_run(line: str) -> str | None:
    return next((reason for pattern, reason in NOT_RUN.items() if re.match(rf"{pattern}\b", line)), None)


def commands_of(line: str) -> list[list[str]]:
    """The words of each command of a line, its comment left out."""
    commands: list[list[str]] = [[]]
    for word in shlex.split(line, comments=True):
        if word == "&&":
            commands.append([])
        else:
            commands[-1].append(word)
    return commands
