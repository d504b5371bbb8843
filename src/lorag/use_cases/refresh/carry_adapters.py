"""The adapters that the next release takes over from a release."""

import logging
from collections.abc import Mapping

from lorag.integrations.models.files import base_model_sha256
from lorag.params import Params
from lorag.releases.forgotten import Forgotten
from lorag.releases.record import AdapterEntry, Release
from lorag.strategies import AdapterKind

logger = logging.getLogger(__name__)


def carry_adapters(
    release: Release | None, params: Params, forgotten: Forgotten
) -> tuple[str | None, Mapping[AdapterKind, AdapterEntry]]:
    """Return the base model's sha256 and the adapters of `release` that were trained on it; None and {} without any.

    Those that may have learned from a forgotten document are left out. Where params name another base model, so are the
    adapters of the old one, with a warning.
    """
    clean = forgotten.clean(release.adapters) if release else {}
    if not clean:
        return None, {}
    base = base_model_sha256(params.generation.model)
    fitting = {kind: entry for kind, entry in clean.items() if entry.base_model_sha256 == base}
    for kind in clean.keys() - fitting.keys():
        logger.warning("the %s adapter does not fit the base model in params.yaml; run `lorag retrain`", kind)
    return (base if fitting else None), fitting
