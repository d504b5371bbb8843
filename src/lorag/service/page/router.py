"""All routes of the page."""

from collections.abc import Mapping

from fastapi import APIRouter

from lorag.service.page.ask import ask_router
from lorag.service.page.assets import assets_router
from lorag.service.page.compare import compare_router
from lorag.service.page.context import PageContext
from lorag.service.page.documents import documents_router
from lorag.service.page.figures import figures_router
from lorag.service.page.knowledge import knowledge_router
from lorag.service.page.questions import questions_router
from lorag.service.page.session import Sessions
from lorag.service.page.sign_in import sign_in_router
from lorag.use_cases.serve.live import LiveRelease


def make_page(live: LiveRelease, environment: Mapping[str, str], sessions: Sessions) -> APIRouter:
    """Return the page: it reads, asks and notes verdicts; it refreshes, retrains and rolls back nothing."""
    page = PageContext(live, environment, sessions)
    router = APIRouter()
    for make in (
        ask_router,
        compare_router,
        documents_router,
        figures_router,
        knowledge_router,
        questions_router,
        sign_in_router,
    ):
        router.include_router(make(page))
    router.include_router(assets_router())
    return router
