"""The adapters that a person rolled back: only a person serves them again."""

import json
from collections.abc import Iterable
from pathlib import Path

from lorag.errors import IntegrityFailed
from lorag.releases.durable import write_json_durably
from lorag.releases.record import Release


def read_withdrawn(state: Path) -> frozenset[str]:
    """Read the sha256 of each; none if nothing was rolled back. Raises IntegrityFailed for a damaged record."""
    path = _path(state)
    try:
        return frozenset(json.loads(path.read_text(encoding="utf-8"))["adapters"])
    except FileNotFoundError:
        return frozenset()
    except (ValueError, KeyError, TypeError) as error:
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
        write_json_durably(_path(state), {"adapters": sorted(withdrawn)})


def _path(state: Path) -> Path:
    return state / "withdrawn.json"
