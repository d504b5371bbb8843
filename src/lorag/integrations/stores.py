"""The vector store that the params name."""

from collections.abc import Callable, Mapping
from pathlib import Path

from lorag.params import IndexParams, StoreKind
from lorag.retrieval.index.store import IndexStore

WORDS = "words"
"""The folder of the word indexes below the state folder; it may be deleted at any time."""


def open_store(params: IndexParams, root: Path, environment: Mapping[str, str]) -> IndexStore:
    """Open the store of `params.store` for the workspace whose state folder is `root`.

    LanceDB is below `root`, and so are the words of either store. Weaviate is at the address in `environment`
    (WEAVIATE_URL, WEAVIATE_API_KEY); a missing one raises ParamsError.
    """
    return _OPEN[params.store](params, root, environment)


# Each imports only its own client, so that nobody waits for the other store's.
def _open_lancedb(params: IndexParams, root: Path, environment: Mapping[str, str]) -> IndexStore:
    from lorag.integrations.lancedb.index import LanceDbIndex

    return LanceDbIndex(root / "lancedb", params.ann_from_rows, words=root / WORDS)


def _open_weaviate(params: IndexParams, root: Path, environment: Mapping[str, str]) -> IndexStore:
    from lorag.integrations.weaviate.index import open_weaviate

    return open_weaviate(params, root, environment)


_OPEN: Mapping[StoreKind, Callable[[IndexParams, Path, Mapping[str, str]], IndexStore]] = {
    StoreKind.LANCEDB: _open_lancedb,
    StoreKind.WEAVIATE: _open_weaviate,
}
