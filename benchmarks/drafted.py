"""How many drafted questions are good: the share of those in drafted_questions.jsonl, which a person judged.

    python benchmarks/drafted.py                                    # the table from the judgements
    python benchmarks/drafted.py WORKSPACE --part test --count 60 --output drafts.jsonl      # drafts to judge

The second form drafts from the served release of a workspace, from one third of its documents (`test`) or from the
other two (`tuning`), drawn by a hash of their ids. Forms, prompts and checks were chosen on the `tuning` part of KEDA
2.15 and on the sample knowledge base. Some flaws were found in early drafts of the `test` part and corrected too, so it
is not wholly unseen.

A draft was judged good if a person could ask the question, if it is clear without the page, and if its answer is right
and complete. The wordings were not judged.
"""

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lorag.digests import digest_of
from lorag.drafting.proposal import Writers
from lorag.params_file import load_params
from lorag.releases.shelf import ReleaseShelf
from lorag.use_cases.draft.draft_questions import draft_questions
from lorag.workspace import find_workspace

JUDGED = Path(__file__).with_name("drafted_questions.jsonl")


def is_test(document_id: str) -> bool:
    """Whether a document belongs to the third that nothing was chosen on."""
    return int(digest_of(["split", document_id])[:8], 16) % 3 == 0


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of the table of docs/figures.md."""
    groups: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for row in rows:
        groups[row["documents"], row["reader"], row["origin"]].append(row["good"])
    lines = ["| documents | reader | question by | judged | good |", "| --- | --- | --- | --- | --- |"]
    for group, good in groups.items():
        lines.append(f"| {' | '.join(group)} | {len(good)} | {sum(good)} ({sum(good) / len(good):.0%}) |")
    return lines


def draft(workspace_folder: Path, part: str, count: int, output: Path, writer: Writers) -> None:
    """Draft from one part of the documents and print the yield."""
    workspace = find_workspace(workspace_folder)
    served = ReleaseShelf(workspace.state).served()
    names = [
        name for name in (served.documents if served else ()) if part == "all" or is_test(name) == (part == "test")
    ]
    params = load_params(workspace.params_file)
    found = draft_questions(
        workspace, params, os.environ, count=count, output=output, documents=names, writers=writer
    ).to_json()
    print(json.dumps({key: value for key, value in found.items() if key != "drafts"}, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", nargs="?", type=Path)
    parser.add_argument("--part", choices=("test", "tuning", "all"), default="test")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--output", type=Path, default=Path("drafts.jsonl"))
    parser.add_argument("--writer", type=Writers, choices=list(Writers), default=Writers.FORMS)
    given = parser.parse_args()
    if given.workspace:
        draft(given.workspace, given.part, given.count, given.output, given.writer)
    else:
        print("\n".join(table([json.loads(line) for line in JUDGED.read_text(encoding="utf-8").splitlines()])))
