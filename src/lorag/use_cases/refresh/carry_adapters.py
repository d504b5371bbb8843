"""The adapters that a release hands on to the next one."""

import logging
from collections.abc import Mapping

from lorag.integrations.models.files import base_model_sha256
from lorag.params import Params
from lorag.releases.record import AdapterEntry, Release
from lorag.strategies import AdapterKind

logger = logging.getLogger(__name__)


def carry_adapters(release: Release | None, params: Params) -> tuple[str | None, Mapping[AdapterKind, AdapterEntry]]:
    """The base model's sha256 and those adapters of `release` that were trained on it; None and none without any.

    Params that name another base model leave the adapters of the old one behind, with a warning.
    """
    if release is None or not release.adapters:
        return None, {}
    base = base_model_sha256(params.generation.model)
    fitting = {kind: entry for kind, entry in release.adapters.items() if entry.base_model_sha256 == base}
    for kind in release.adapters.keys() - fitting.keys():
        logger.warning("the %s adapter does not fit the base model that params name; run `lorag retrain`", kind)
    return (base if fitting else None), fitting
