"""Opens the vector store that params name."""

from collections.abc import Callable, Mapping
from pathlib import Path

from lorag.params import IndexParams, StoreKind
from lorag.retrieval.index.store import IndexStore


def open_store(params: IndexParams, root: Path, environment: Mapping[str, str]) -> IndexStore:
    """The store of `params.store` for the workspace whose state folder is `root`.

    LanceDB lies below `root`; Weaviate is where `environment` says (WEAVIATE_URL, WEAVIATE_API_KEY), else ParamsError.
    """
    return _OPEN[params.store](params, root, environment)


# Each imports its own: a person with one store does not wait for the other's client.
def _open_lancedb(params: IndexParams, root: Path, environment: Mapping[str, str]) -> IndexStore:
    from lorag.integrations.lancedb.index import LanceDbIndex

    return LanceDbIndex(root / "lancedb", params.ann_from_rows)


def _open_weaviate(params: IndexParams, root: Path, environment: Mapping[str, str]) -> IndexStore:
    from lorag.integrations.weaviate.index import open_weaviate

    return open_weaviate(params, root, environment)


_OPEN: Mapping[StoreKind, Callable[[IndexParams, Path, Mapping[str, str]], IndexStore]] = {
    StoreKind.LANCEDB: _open_lancedb,
    StoreKind.WEAVIATE: _open_weaviate,
}
