"""All routes of the page."""

from fastapi import APIRouter

from lorag.service.page.ask import ask_router
from lorag.service.page.assets import assets_router
from lorag.service.page.candidates import candidates_router
from lorag.service.page.compare import compare_router
from lorag.service.page.context import PageContext
from lorag.service.page.documents import documents_router
from lorag.service.page.drafts import drafts_router
from lorag.service.page.figures import figures_router
from lorag.service.page.knowledge import knowledge_router
from lorag.service.page.questions import questions_router
from lorag.service.page.session import Sessions
from lorag.service.page.sign_in import sign_in_router
from lorag.service.routing import Service

_MAKERS = (
    ask_router,
    compare_router,
    documents_router,
    figures_router,
    knowledge_router,
    drafts_router,
    candidates_router,
    questions_router,
    sign_in_router,
)


def make_page(service: Service, sessions: Sessions) -> list[APIRouter]:
    """Return the routers of the page: it reads, asks and notes what a person decides; it refreshes nothing."""
    page = PageContext(service, sessions)
    return [*(make(page) for make in _MAKERS), assets_router()]
