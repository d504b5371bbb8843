"""Signing in with the key of the service, and out."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from lorag.service.page.context import PageContext, PageRoute
from lorag.service.page.headers import PRIVATE
from lorag.service.page.render import show
from lorag.service.page.session import local_path, read_form, refuse_foreign


def sign_in_router(page: PageContext) -> APIRouter:
    """Return the routes that need no session."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False)

    def form(request: Request, target: str, *, is_wrong: bool) -> Response:
        values = {"next": target, "is_wrong": is_wrong, "tab": None, "title": "Sign in", "signed_in": False}
        return show(request, "sign_in.html.jinja", code=401 if is_wrong else 200, **values)

    @router.get("/sign-in")
    def ask_for_key(request: Request) -> Response:
        return form(request, local_path(request.query_params.get("next", "/")), is_wrong=False)

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        given = await read_form(request)
        target = local_path(given.get("next", "/"))
        response = RedirectResponse(target, 303, PRIVATE)
        if page.sessions.open(given.get("key", "").strip(), request, response):
            return response
        return form(request, target, is_wrong=True)

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        refuse_foreign(request)
        response = RedirectResponse("/sign-in", 303, PRIVATE)
        page.sessions.close(request, response)
        return response

    return router
