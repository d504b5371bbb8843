"""Training pairs: the text an adapter reads, the text it learns to write, and the origin of both."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from lorag.answering.generator import Message, Role
from lorag.digests import canonical_json, digest_of, digest_of_lines
from lorag.errors import IntegrityFailed


class PairSource(StrEnum):
    """The material that a pair was made from."""

    QUESTIONS = "questions"
    TEXT = "text"
    RAFT = "raft"
    SUMMARISATION = "summarisation"
    CLASSIFICATION = "classification"
    EXTRACTION = "extraction"
    STYLE = "style"
    SYNTHETIC = "synthetic"
    UNANSWERABLE = "unanswerable"
    GENERAL = "general"
    OLDER = "older"


@dataclass(frozen=True, slots=True)
class Pair:
    """A training example; only the answer has a loss.

    `messages` is the prompt; without messages the answer is plain text, learned as in pretraining. `fact_id` names the
    fact that the pair teaches, None if it teaches none. `documents` maps the id of each document whose text or fact is
    in the pair to that document's version; `chunk_ids` are the chunks whose text is in it. `method` says how the pair
    was made, such as `canonical`, `phrasing 1`, `gold`, `without gold` or `changed answer`.
    """

    source: PairSource
    messages: tuple[Message, ...]
    answer: str
    fact_id: str | None = None
    documents: Mapping[str, str] = field(default_factory=dict)
    chunk_ids: tuple[str, ...] = ()
    method: str = ""

    @property
    def id(self) -> str:
        """The digest of the pair with its lineage: equal for equal content."""
        return digest_of(_pair_to_json(self))

    @property
    def text(self) -> str:
        """The whole text that a model reads and learns from the pair."""
        return "\n".join([*(message.content for message in self.messages), self.answer])


def training_set_digest(pairs: Iterable[Pair]) -> str:
    """Return the digest of a training set, over the ids of its pairs in any order."""
    return digest_of_lines(sorted(pair.id for pair in pairs))


def write_pairs(path: Path, pairs: Iterable[Pair]) -> None:
    """Write one pair a line, in the given order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        file.writelines(canonical_json({"id": pair.id, **_pair_to_json(pair)}) + "\n" for pair in pairs)


def read_pairs(path: Path) -> list[Pair]:
    """Read what `write_pairs` wrote; raises IntegrityFailed for a damaged line, and for one that was edited."""
    return list(_read_lines(path))


def _pair_to_json(pair: Pair) -> dict[str, Any]:
    return {
        "source": pair.source.value,
        "messages": [[message.role.value, message.content] for message in pair.messages],
        "answer": pair.answer,
        "fact_id": pair.fact_id,
        "documents": dict(pair.documents),
        "chunk_ids": list(pair.chunk_ids),
        "method": pair.method,
    }


def _pair_from_json(value: Mapping[str, Any]) -> Pair:
    return Pair(
        source=PairSource(value["source"]),
        messages=tuple(Message(Role(role), content) for role, content in value["messages"]),
        answer=value["answer"],
        fact_id=value["fact_id"],
        documents=value["documents"],
        chunk_ids=tuple(value["chunk_ids"]),
        method=value["method"],
    )


def _read_lines(path: Path) -> Iterator[Pair]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            where = f"{path.name}:{number}"
            try:
                value = json.loads(line.decode("utf-8", "surrogatepass"))
                pair = _pair_from_json(value)
                is_whole = pair.id == value.get("id")
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise IntegrityFailed(
                    f"damaged line: {error!r:.200}", where=where, do="run `dvc repro --force training_set`"
                ) from error
            if not is_whole:
                raise IntegrityFailed(
                    "a pair does not match its id", where=where, do="run `dvc repro --force training_set`"
                )
            yield pair
