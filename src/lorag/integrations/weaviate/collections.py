"""The collections of one workspace on a Weaviate cluster, and which generations are complete in each."""

import secrets
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lorag.errors import IntegrityFailed, StoreFailed
from lorag.integrations.weaviate.nodes import WeaviateNodes
from lorag.integrations.weaviate.schema import (
    alias_name,
    collection_name,
    create_collection,
    describe_generations,
    described_generations,
    prefix_of,
)
from lorag.params import IndexParams
from lorag.retrieval.index.store import IndexRef

if TYPE_CHECKING:
    from weaviate import WeaviateClient


def read_namespace(root: Path) -> str:
    """Return eight digits that keep the collections of workspaces apart on one server; created on the first call."""
    path = root / "weaviate_namespace"
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(secrets.token_hex(4), encoding="ascii")
        namespace = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise StoreFailed(f"cannot keep the workspace's name: {error}", where=str(path), do="fix the folder") from error
    if len(namespace) != 8 or not namespace.isalnum():
        raise IntegrityFailed("not a workspace's name", where=str(path), do="restore the file from a backup")
    return namespace


class WeaviateCollections:
    """A collection for each index name and dimension; its description says which generations are complete.

    Nothing is cached: each answer is what the nodes agree on now.
    """

    def __init__(self, nodes: WeaviateNodes, namespace: str, params: IndexParams) -> None:
        self._nodes = nodes
        self._namespace = namespace
        self._params = params

    def name(self, index: str, dimension: int) -> str:
        """Return the name of an index's collection."""
        return collection_name(self._namespace, index, dimension)

    def open(self, ref: IndexRef) -> Any:
        """Return the collection of a generation that is there, complete and retained; else raises IntegrityFailed."""
        name = self.name(ref.name, ref.dimension)
        generations = self.generations(name)
        if ref.generation not in generations:
            raise IntegrityFailed(
                f"generation {ref.generation} is not there" if generations else "the collection is not there",
                where=f"{name} on {self._nodes.url}",
                do="check WEAVIATE_URL, or rebuild the index with `lorag refresh --rebuild`",
            )
        return self._nodes.use(name)

    def create(self, name: str) -> Any:
        """Create an empty collection, in place of an existing one if any."""
        self._drop(name)

        def create(client: "WeaviateClient") -> None:
            if not client.collections.exists(name):
                create_collection(client, name, self._params)

        self._nodes.ask(create)
        return self._nodes.use(name)

    def drop_others(self, keep: Collection[str]) -> None:
        """Drop the workspace's collections that are not in `keep`."""
        for name in self._nodes.ask(lambda client: list(client.collections.list_all(simple=True))):
            if name.startswith(prefix_of(self._namespace)) and name not in keep:
                self._drop(name)

    def generations(self, name: str) -> frozenset[int]:
        """Return the complete generations of a collection; empty if there is no such collection."""

        def read(client: "WeaviateClient") -> frozenset[int]:
            if not client.collections.exists(name):
                return frozenset()
            return described_generations(client.collections.use(name).config.get(simple=True).description)

        return self._nodes.ask(read)

    def describe(self, name: str, change: Callable[[frozenset[int]], Iterable[int]]) -> frozenset[int]:
        """Change the complete generations of a collection; return those from before the change."""
        known = self.generations(name)
        wanted = frozenset(change(known))
        if wanted != known:
            description = describe_generations(sorted(wanted))
            self._nodes.ask(lambda client: client.collections.use(name).config.update(description=description))
        return known

    def point_alias(self, ref: IndexRef) -> None:
        """Point the alias of an index to its collection."""
        collection = self.name(ref.name, ref.dimension)
        alias = alias_name(self._namespace, ref.name)

        def point(client: "WeaviateClient") -> None:
            known = client.alias.get(alias_name=alias)
            if known is None:
                client.alias.create(alias_name=alias, target_collection=collection)
            elif known.collection != collection:
                client.alias.update(alias_name=alias, new_target_collection=collection)

        self._nodes.ask(point)

    def _drop(self, name: str) -> None:
        def drop(client: "WeaviateClient") -> None:
            if client.collections.exists(name):
                for alias in client.alias.list_all(collection=name):
                    client.alias.delete(alias_name=alias)
                client.collections.delete(name)

        self._nodes.ask(drop)
