"""What an earlier version wrote into params.yaml and means something else now; `lorag upgrade` replaces it."""

from collections.abc import Mapping

RENAMED_VALUES: Mapping[tuple[str, ...], Mapping[str, str]] = {("search", "retriever"): {"hybrid": "fused"}}
"""The old values of a key and their new names, by the path of the key; the reader refuses the old ones."""

CHANGED_DEFAULTS: Mapping[tuple[str, ...], tuple[float, ...]] = {("answering", "min_support"): (0.5,)}
"""Earlier defaults of keys whose meaning changed since, by the path of the key.

`min_support` was a share of all words of an answer; it is one of the words that an answer adds to its question.
"""

MOVED_KEYS: Mapping[tuple[str, ...], tuple[tuple[str, ...], ...]] = {
    ("advice", "retrain_from_share"): (("advice", "plan_share"), ("policy", "retrain", "tuned", "from_share")),
}
"""The keys that have the value of a former key now, by its path; the reader refuses the former one."""
