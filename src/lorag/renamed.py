"""Old spellings in params.yaml and their new names: the reader refuses them, `lorag upgrade` replaces them."""

from collections.abc import Mapping

RENAMED_VALUES: Mapping[tuple[str, ...], Mapping[str, str]] = {("search", "retriever"): {"hybrid": "fused"}}
"""The old values of a key and their new names, by the path of the key."""
