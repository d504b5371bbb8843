"""Who may see the page: the key opens a session, and only the page itself can send its forms."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from lorag.service.keys import add_key, remove_key
from lorag.service.page.session import Sessions, local_path
from tests.service.page.conftest import BASE, ORIGIN, QUESTION, TABS, sign_in
from tests.use_cases.conftest import Place


def test_a_stranger_is_asked_for_the_key(stranger: TestClient) -> None:
    for tab in TABS:
        assert stranger.get(tab).status_code == 303, tab
    assert stranger.get("/knowledge?x=1").headers["location"] == "/sign-in?next=%2Fknowledge%3Fx%3D1"
    part = stranger.get("/knowledge/pending", headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/sign-in")
    for path in ("/ask", "/compare", "/as-of", "/feedback"):
        assert stranger.post(path, data={"question": "x"}, headers=ORIGIN).headers["location"] == "/sign-in"


def test_the_key_opens_a_session_that_does_not_hold_it(stranger: TestClient) -> None:
    wrong = sign_in(stranger, "guess")
    assert wrong.status_code == 401 and "This is not the key" in wrong.text and not stranger.cookies
    answered = sign_in(stranger, next="/knowledge")
    assert (answered.status_code, answered.headers["location"]) == (303, "/knowledge")
    cookie = answered.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "secret" not in cookie
    assert stranger.get("/knowledge").status_code == 200
    stranger.post("/sign-out", headers=ORIGIN)
    assert stranger.get("/knowledge").status_code == 303


@pytest.mark.parametrize(
    "damage",
    [
        lambda value: value[:-1] + ("0" if value[-1] != "0" else "1"),
        lambda value: value.replace(".", "..", 1),
        lambda value: "",
        lambda value: "a.9999999999.b.c",
    ],
)
def test_a_cookie_that_this_service_did_not_sign_opens_nothing(stranger: TestClient, damage: Any) -> None:
    sign_in(stranger)
    (name,) = stranger.cookies
    value = damage(stranger.cookies[name])
    stranger.cookies.clear()
    stranger.cookies.set(name, value)
    assert stranger.get("/").status_code == 303


@pytest.mark.parametrize("where", [{"team": "harbour"}, {}])
def test_only_the_key_of_the_owner_opens_the_page(place: Place, stranger: TestClient, where: dict[str, str]) -> None:
    keys = place.workspace.resolve(place.params.service.keys_file)
    key = add_key(keys, "other", where)
    try:
        bearer = {"Authorization": f"Bearer {key}"}
        assert stranger.get("/v1/releases", headers=bearer).status_code == 200, "it is valid elsewhere"
        refused = sign_in(stranger, key)
        assert refused.status_code == 401 and not stranger.cookies
        for path in (*TABS, "/documents/berths.md", "/questions/draft", "/questions/candidate"):
            assert stranger.get(path, headers=bearer).headers["location"].startswith("/sign-in"), path
    finally:
        remove_key(keys, "other")


def test_a_session_of_another_key_opens_nothing() -> None:
    one, other = Sessions.for_key("one"), Sessions.for_key("other")
    assert (one.accepts("one"), one.accepts("other"), one.accepts("")) == ("key", None, None)
    assert one.secret != other.secret and b"one" not in one.secret


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": f"{BASE}1"}])
def test_a_form_of_another_site_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    for path in ("/sign-in", "/sign-out", "/ask", "/compare", "/as-of", "/feedback"):
        refused = client.post(path, data={"question": QUESTION, "key": "secret"}, headers=headers)
        assert refused.status_code == 403, path
    assert client.get("/").status_code == 200, "nobody was signed out"


@pytest.mark.parametrize(
    "target", ["//evil.example", "//[", "http://evil.example", "/\\evil.example", "javascript:1", "/a\nb", ""]
)
def test_signing_in_leads_to_this_service_only(target: str) -> None:
    assert local_path(target) == "/"
    assert local_path("/knowledge?x=1") == "/knowledge?x=1"
