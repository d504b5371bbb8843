"""Releases, their documents, and what changed between two of them."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from lorag.service.routing import Caller, Service, example

_DOCUMENT = {
    "id": "berths.md",
    "title": "Berths",
    "version": "5f0c…",
    "release": "000003-1f2e3d4c5b",
    "metadata": {"team": "harbour"},
    "text": "Depths\n\nBerth 4 is 7.25 metres deep at the lowest tide.",
    "sections": [{"anchor": "depths", "heading": "Depths", "level": 2, "start": 0, "end": 55}],
    "complete": True,
}


def make_router(service: Service) -> APIRouter:
    """Return the routes that show what is served."""
    router = APIRouter(prefix="/v1", tags=["documents"])

    @router.get("/releases", responses=example({"served": "000003-1f2e3d4c5b", "releases": [{"generation": 3}]}))
    async def releases(request: Request, caller: Caller) -> dict[str, Any]:
        """List the retained releases, newest first."""
        return await service.reads.run(lambda watch: service.desk.releases(caller), request)

    @router.get("/releases/{release}", responses=example({"id": "000003-1f2e3d4c5b", "quality": None}))
    async def release_card(
        release: Annotated[str, Path(max_length=100)], request: Request, caller: Caller
    ) -> dict[str, Any]:
        """Return what is recorded of a retained release, named by id or generation, for a key that reads everything."""
        found = await service.reads.run(lambda watch: service.desk.release_card(release, caller), request)
        return found.to_json()

    @router.get("/changes", responses=example({"since": "000002-0a1b2c3d4e", "changed": ["berths.md"]}))
    async def changes(
        request: Request,
        caller: Caller,
        since: Annotated[str | None, Query(max_length=100, description="A retained release; the one before.")] = None,
    ) -> dict[str, Any]:
        """Return the documents that were added, changed, renamed and removed up to the served release."""
        found = await service.reads.run(lambda watch: service.desk.what_changed(caller, since), request)
        return found.to_json()

    @router.get("/documents/{document_id:path}", responses=example(_DOCUMENT))
    async def document(document_id: str, request: Request, caller: Caller) -> dict[str, Any]:
        """Return a document of the served release as text, with an anchor and the place of each heading."""
        found = await service.reads.run(lambda watch: service.desk.document(document_id, caller), request)
        return found.to_json()

    return router
