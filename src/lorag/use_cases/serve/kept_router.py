"""The router of a release: a file beside its record, which a comparison writes and an answer reads."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lorag.answering import ANSWERING_VERSION, GENERATION_VERSION
from lorag.answering.prompts import prompts_digest
from lorag.answering.routing import Router
from lorag.digests import digest_of
from lorag.errors import IntegrityFailed, WorkspaceError
from lorag.params import Params
from lorag.releases.durable import write_json_durably
from lorag.releases.record import NewerFormat, Release
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval import SEARCH_VERSION
from lorag.strategies import Auto, Strategy
from lorag.use_cases.serve.answer_costs import settings_of
from lorag.workspace import Workspace

FORMAT = 1


@dataclass(frozen=True, slots=True)
class KeptRouter:
    """A router with the verdict of its gate.

    `release` is the one that was compared. `single` answers instead where `reason` says why the router does not serve.
    `figures` are those behind the verdict.
    """

    router: Router
    release: str
    single: Strategy
    reason: str | None
    figures: Mapping[str, Any]

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        """The strategies that may answer."""
        return tuple(self.router.weights) if self.reason is None else (self.single,)

    def to_json(self) -> dict[str, Any]:
        """Return plain values with the format's number and the file's own digest."""
        kept = {
            "weights": self.router.to_json(),
            "release": self.release,
            "single": self.single.value,
            "reason": self.reason,
            "figures": self.figures,
        }
        return {"format": FORMAT, "router": kept, "sha256": digest_of(kept)}

    @classmethod
    def from_json(cls, value: Any, *, where: str) -> Self:
        """Read what `to_json` returned; raises IntegrityFailed naming `where` for a damaged or too new file."""
        try:
            if value["format"] > FORMAT:
                raise NewerFormat(
                    f"a router of format {value['format']}, newer than this lorag reads ({FORMAT})",
                    where=where,
                    do="update lorag",
                )
            kept = value["router"]
            if digest_of(kept) != value["sha256"]:
                raise ValueError("it does not match its digest")
            router, single = Router.from_json(kept["weights"]), Strategy(kept["single"])
            return cls(router, kept["release"], single, kept["reason"], kept["figures"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IntegrityFailed(f"damaged router: {error!r}", where=where, do="run `lorag compare`") from error


def keep_router(kept: KeptRouter, release: Release, workspace: Workspace, params: Params) -> Path:
    """Write the router of a release, delete those that fit no retained release, and return the file."""
    path = _path(release, workspace, params)
    write_json_durably(path, kept.to_json())
    fitting = {_path(each, workspace, params) for each in ReleaseShelf(workspace.state).releases()} | {path}
    for other in path.parent.glob("*.json"):
        if other not in fitting:
            other.unlink(missing_ok=True)
    return path


def read_router(release: Release, workspace: Workspace, params: Params) -> KeptRouter:
    """Return the router of a release; raises WorkspaceError if it has none, IntegrityFailed for a damaged one.

    A router fits every release with the adapters, the embedder and the settings that it was fitted with. So a refresh
    keeps it, and a retrain needs a new comparison.
    """
    path = _path(release, workspace, params)
    try:
        return _read(path)
    except FileNotFoundError:
        raise WorkspaceError(
            f"the release has no router, so {Auto.AUTO} cannot choose a strategy",
            where=f"release {release.id}",
            do=f"run `lorag compare`, or name one of {', '.join(Strategy)}",
        ) from None


def check_routers(workspace: Workspace) -> list[str]:
    """Return a sentence for each router that cannot be read."""
    problems = []
    for path in sorted(workspace.routers.glob("*.json")):
        try:
            _read(path)
        except IntegrityFailed as error:
            problems.append(str(error))
    return problems


def _read(path: Path) -> KeptRouter:
    where = f"{path.parent.name}/{path.name}"
    try:
        return KeptRouter.from_json(json.loads(path.read_text(encoding="utf-8")), where=where)
    except ValueError as error:
        raise IntegrityFailed(f"damaged router: {error}", where=where, do="run `lorag compare`") from error


def _path(release: Release, workspace: Workspace, params: Params) -> Path:
    adapters = {kind: entry.sha256 for kind, entry in release.adapters.items()}
    versions = [ANSWERING_VERSION, GENERATION_VERSION, SEARCH_VERSION, prompts_digest()]
    name = digest_of([adapters, release.embedder_fingerprint, settings_of(params), versions])
    return workspace.routers / f"{name[:16]}.json"
