"""What the writer does where a server takes some objects and not others, which it says in an answer that succeeded."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lorag.errors import StoreFailed
from lorag.integrations.weaviate.writer import WeaviateWriter
from lorag.knowledge.documents import Chunk
from lorag.retrieval.index.store import IndexRow

pytest.importorskip("weaviate", reason="the extra `weaviate` of lorag is not installed")


class Collection:
    """A collection that refuses some objects: at each call those that `refusals` names next, for the reason given."""

    name = "Harbour"

    def __init__(self, refusals: Sequence[Mapping[str, str]]) -> None:
        self.refusals = list(refusals)
        self.taken: list[str] = []
        self.calls: list[list[str]] = []
        self.data = self

    def insert_many(self, objects: Sequence[Any]) -> Any:
        refused = self.refusals.pop(0) if self.refusals else {}
        ids = [item.properties["chunk_id"] for item in objects]
        self.calls.append(ids)
        self.taken += [name for name in ids if name not in refused]
        errors = {n: SimpleNamespace(message=refused[name]) for n, name in enumerate(ids) if name in refused}
        return SimpleNamespace(errors=errors)


def rows() -> list[IndexRow]:
    return [IndexRow(Chunk(name, "a.md", "", f"Text {name}.", {}), "f", np.ones(3, np.float32)) for name in "abc"]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lorag.integrations.weaviate.writer._MAX_WAIT_S", 0.001)


def test_an_object_that_was_refused_is_sent_again_alone() -> None:
    collection = Collection([{"b": "timeout"}, {"b": "shard is read-only"}])
    WeaviateWriter(collection).insert(rows(), 1, None)
    assert collection.calls == [["a", "b", "c"], ["b"], ["b"]]
    assert sorted(collection.taken) == ["a", "b", "c"]


def test_objects_that_are_refused_each_time_are_an_error_after_five_tries() -> None:
    collection = Collection([{"c": "timeout"}] * 9)
    with pytest.raises(StoreFailed, match="did not take all objects in 5 attempts: timeout"):
        WeaviateWriter(collection).insert(rows(), 1, None)
    assert len(collection.calls) == 5


def test_an_object_that_can_never_be_taken_is_an_error_at_once() -> None:
    collection = Collection([{"a": "vector length 3 does not match"}])
    with pytest.raises(StoreFailed, match="refused 1 of 3 objects: vector length"):
        WeaviateWriter(collection).insert(rows(), 1, None)
    assert len(collection.calls) == 1
