"""The adapters that a person rolled back: only a person serves them again."""

import json
from collections.abc import Iterable
from pathlib import Path

from lorag.digests import digest_of
from lorag.errors import IntegrityFailed
from lorag.releases.durable import write_json_durably
from lorag.releases.record import Release


def read_withdrawn(state: Path) -> frozenset[str]:
    """Read the sha256 of each; none if nothing was rolled back. Raises IntegrityFailed for a damaged record."""
    path = _path(state)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        # Earlier versions wrote no digest.
        if value.get("sha256") not in (None, digest_of(value["adapters"])) or not value.keys() <= {
            "adapters",
            "sha256",
        }:
            raise ValueError("it does not match its digest")
        return frozenset(value["adapters"])
    except FileNotFoundError:
        return frozenset()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityFailed(
            f"damaged list of adapters that were rolled back: {error!r}",
            where=path.name,
            do="delete it, and roll back again what must not be served",
        ) from error


def withdraw_newer(target: Release, releases: Iterable[Release], state: Path) -> None:
    """Withdraw the adapters of releases newer than `target`, except its own, which are wanted again."""
    wanted = {entry.sha256 for entry in target.adapters.values()}
    newer = (release for release in releases if release.generation > target.generation)
    gone = {entry.sha256 for release in newer for entry in release.adapters.values()}
    known = read_withdrawn(state)
    withdrawn = (known | gone) - wanted
    if withdrawn != known:
        adapters = sorted(withdrawn)
        write_json_durably(_path(state), {"adapters": adapters, "sha256": digest_of(adapters)})


def _path(state: Path) -> Path:
    return state / "withdrawn.json"
