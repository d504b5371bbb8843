"""Who is signed in: a signed cookie that holds no key, and forms that only the page itself can send."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from fastapi import HTTPException, Request, Response

LIFETIME_S = 12 * 3600
MAX_FORM_BYTES = 64 * 1024

Accepts = Callable[[str], str | None]
"""A function from a key to the name of its holder; None for a wrong key."""


class SignInNeeded(Exception):
    """There is no session, or it has ended."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions that any process with the same secret can check; without state, so a restart ends none of them.

    A cookie is `holder.end.random.signature`. It is sent to the same site only and no script can read it. It ends
    after twelve hours, and with the secret.
    """

    accepts: Accepts
    secret: bytes

    @classmethod
    def for_key(cls, key: str) -> "Sessions":
        """Return the sessions of a service with one key."""
        secret = hmac.digest(key.encode(), b"lorag page session", "sha256")
        return cls(lambda given: "key" if hmac.compare_digest(given.encode(), key.encode()) else None, secret)

    def open(self, key: str, request: Request, response: Response) -> bool:
        """Set the cookie if the key is right, and return whether it is."""
        holder = self.accepts(key)
        if holder is None:
            return False
        name = base64.urlsafe_b64encode(holder.encode()).decode().rstrip("=")
        value = f"{name}.{int(time.time()) + LIFETIME_S}.{secrets.token_urlsafe(12)}"
        response.set_cookie(
            _cookie_of(request),
            f"{value}.{self._sign(value)}",
            max_age=LIFETIME_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            path="/",
        )
        return True

    def holder(self, request: Request) -> str:
        """Return who is signed in; raises SignInNeeded."""
        value, _, signature = request.cookies.get(_cookie_of(request), "").rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(value).encode()):
            raise SignInNeeded
        name, end, _ = value.split(".")
        if int(end) < time.time():
            raise SignInNeeded
        return base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()

    def close(self, request: Request, response: Response) -> None:
        """Take the cookie away."""
        response.delete_cookie(_cookie_of(request), path="/", httponly=True, samesite="strict")

    def _sign(self, value: str) -> str:
        return hmac.new(self.secret, value.encode(), hashlib.sha256).hexdigest()


def refuse_foreign(request: Request) -> None:
    """Raise HTTPException 403 for a form that another site sent, as its browser says, or that names no origin."""
    origin = request.headers.get("origin", "")
    if not origin or urlsplit(origin).netloc != request.headers.get("host"):
        raise HTTPException(403, "this form was not sent by this page")


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form that the page sent; raises HTTPException for another one, or for one too large."""
    refuse_foreign(request)
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/x-www-form-urlencoded":
        raise HTTPException(415, "a form is needed")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM_BYTES:
            raise HTTPException(413, f"a form of more than {MAX_FORM_BYTES // 1024} kB")
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50))
    except ValueError as error:
        raise HTTPException(400, "a form that cannot be read") from error


def local_path(text: str) -> str:
    """Return a path of this service to go on to; the first page for anything else."""
    is_local = text.startswith("/") and not text.startswith("//")
    return text if is_local and "\\" not in text and text.isprintable() else "/"


def _cookie_of(request: Request) -> str:
    # A browser sends a cookie to every port of a host; each service has its own.
    return f"lorag_{request.url.port or 'page'}"
