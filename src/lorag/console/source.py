"""Lines about a source: which files are not read, which are copies, and which documents are odd."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lorag.counted import counted

_FEW = 3
_FLAGS = {
    "hidden_text": "hidden text left out of",
    "maybe_hidden": "text that a reader may not see, kept in",
    "linked_styles": "style sheets in other files, not read, so more may be hidden, in",
    "scanned_page": "pages without a text layer, not read, in",
    "control_characters": "control characters removed from",
    "bad_metadata": "front matter that cannot be read in",
    "name_clash": "names that differ only in case or Unicode form:",
    "possible_secret": "a possible secret in",
    "near_duplicate": "nearly the same as another:",
}


def source_lines(result: Mapping[str, Any]) -> list[str]:
    """Return lines from the keys of a refresh or a status that say what a source has beside its documents."""
    return list(_lines(result))


def turned_lines(turned: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return lines that say which questions of the questions file another sentence answers now, and from which page."""
    lines = []
    for one in turned[:_FEW]:
        page = f"the {'new' if one['is_new'] else 'changed'} page {one['document']}"
        lines.append(
            f'  {one["question"]} has another answer, of {page}: "{one["after"]}" instead of "{one["before"]}"'
        )
    left = len(turned) - _FEW
    return [*lines, f"  {counted(left, 'more question')} with another answer; --json lists all"] if left > 0 else lines


def _lines(result: Mapping[str, Any]) -> Iterator[str]:
    for kind in result["not_read"]:
        yield f"  not read: {kind['count']} {kind['suffix']} ({_names(kind['first'], kind['count'])})"
    for document in result["copies"][:_FEW]:
        copies = document["copies"]
        yield f"  the same file as {document['id']}: {_names(copies[:_FEW], len(copies))}"
    if (left := len(result["copies"]) - _FEW) > 0:
        yield f"  {counted(left, 'more document')} with copies; --json lists all"
    for found in result["flagged"]:
        yield f"  {_FLAGS[found['flag']]} {_names(found['first'], found['count'])}"
    if (out := result["forgotten"])["count"]:
        yield f"  left out, because they were forgotten: {_names(out['first'], out['count'])}"
    for found in result["pending_folders"]:
        names = _names(found["first"], found["count"])
        yield f"  waits for `lorag refresh --approve {shlex.quote(found['folder'])}`, a new folder: {names}"
    if (lost := result["questions_without_page"])["count"]:
        named = _names(lost["first"], lost["count"])
        yield f"  {counted(lost['count'], 'question')} left out: gold_doc_ids name a page that is not there ({named})"


def _names(first: Sequence[str], count: int) -> str:
    return ", ".join(first) + (f" and {count - len(first)} more" if count > len(first) else "")
