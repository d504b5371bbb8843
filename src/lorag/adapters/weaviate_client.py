"""Connects to the Weaviate server that the environment names, and turns its client's errors into ours."""

import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lorag.errors import LoragError, ParamsError, StoreFailed

if TYPE_CHECKING:
    from weaviate import WeaviateClient

DEFAULT_GRPC_PORT = 50051
"""Weaviate's own default."""

_CONNECT_TIMEOUT_S = 10
_QUERY_TIMEOUT_S = 60
_INSERT_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class WeaviateAddress:
    """Where the server is and what opens it; `insecure` allows one that lets anybody in."""

    host: str
    port: int
    grpc_port: int
    is_tls: bool
    api_key: str | None
    insecure: bool

    @property
    def url(self) -> str:
        """The address without the key."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.is_tls else ''}://{host}:{self.port}"


def read_address(environment: Mapping[str, str]) -> WeaviateAddress:
    """The address from WEAVIATE_URL, WEAVIATE_GRPC_PORT, WEAVIATE_API_KEY and LORAG_INSECURE_DEV; else ParamsError."""
    text = environment.get("WEAVIATE_URL", "").strip()
    if not text:
        raise ParamsError(
            "index.store is weaviate, but WEAVIATE_URL is not set",
            do="start a server with `make weaviate` and use the lines that it prints, or set index.store to lancedb",
        )
    try:
        url = urlsplit(text)
        port = url.port
        grpc_port = int(environment.get("WEAVIATE_GRPC_PORT") or DEFAULT_GRPC_PORT)
    except ValueError as error:
        raise ParamsError(f"bad address: {error}", where="WEAVIATE_URL, WEAVIATE_GRPC_PORT", do="mend it") from None
    if url.scheme not in ("http", "https") or not url.hostname or url.username or not 0 < grpc_port < 65_536:
        raise ParamsError(
            "not an address of Weaviate", where="WEAVIATE_URL", do="write it like http://127.0.0.1:8080, without a key"
        )
    is_tls = url.scheme == "https"
    address = WeaviateAddress(
        host=url.hostname,
        port=port or (443 if is_tls else 8080),
        grpc_port=grpc_port,
        is_tls=is_tls,
        api_key=environment.get("WEAVIATE_API_KEY") or None,
        insecure=environment.get("LORAG_INSECURE_DEV") == "1",
    )
    if not is_tls and not address.insecure and not _is_loopback(address.host):
        raise ParamsError(
            "plain http to another machine would show the key and the texts to the network",
            where="WEAVIATE_URL",
            do="use https, or set LORAG_INSECURE_DEV=1 on a network of your own",
        )
    return address


def connect(address: WeaviateAddress) -> "WeaviateClient":
    """A connected client; raises StoreFailed for a server that is down, refuses the key, or lets anybody in."""
    # Imported here: it takes a second, which `lorag --help` need not pay.
    import weaviate
    from weaviate.classes.init import AdditionalConfig, Auth, Timeout

    if not address.insecure:
        _refuse_anonymous_access(address)
    with store_errors(address):
        client = weaviate.connect_to_custom(
            http_host=address.host,
            http_port=address.port,
            http_secure=address.is_tls,
            grpc_host=address.host,
            grpc_port=address.grpc_port,
            grpc_secure=address.is_tls,
            auth_credentials=Auth.api_key(address.api_key) if address.api_key else None,
            additional_config=AdditionalConfig(
                timeout=Timeout(init=_CONNECT_TIMEOUT_S, query=_QUERY_TIMEOUT_S, insert=_INSERT_TIMEOUT_S)
            ),
        )
        try:
            client.collections.exists("Lorag")
        except BaseException:
            client.close()
            raise
        return client


@contextmanager
def store_errors(address: WeaviateAddress) -> Iterator[None]:
    """Raises what Weaviate's client raises as StoreFailed with one line that says what to do."""
    from weaviate import exceptions as weaviate_errors

    try:
        yield
    except LoragError:
        raise
    except (
        weaviate_errors.AuthenticationFailedError,
        weaviate_errors.InsufficientPermissionsError,
        weaviate_errors.MissingScopeError,
    ) as error:
        raise _refused(address) from error
    except weaviate_errors.UnexpectedStatusCodeError as error:
        if error.status_code in (401, 403):
            raise _refused(address) from error
        raise _failed(address, error) from error
    except weaviate_errors.WeaviateGRPCUnavailableError as error:
        raise StoreFailed(
            f"Weaviate does not answer on its gRPC port {address.grpc_port}",
            where=address.url,
            do="set WEAVIATE_GRPC_PORT to the port that `make weaviate` printed",
        ) from error
    except (weaviate_errors.WeaviateConnectionError, weaviate_errors.WeaviateStartUpError) as error:
        raise _unreachable(address) from error
    except (weaviate_errors.WeaviateBaseError, OSError) as error:
        if "unauthenticated" in str(error).lower() or "unauthorized" in str(error).lower():
            raise _refused(address) from error
        raise _failed(address, error) from error


def _refuse_anonymous_access(address: WeaviateAddress) -> None:
    try:
        with urllib.request.urlopen(f"{address.url}/v1/schema", timeout=_CONNECT_TIMEOUT_S):
            pass
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return
        raise StoreFailed(
            f"the server answers {error.code}, not as Weaviate does",
            where=address.url,
            do="check WEAVIATE_URL, or wait until the server is ready",
        ) from error
    except (OSError, ValueError) as error:
        raise _unreachable(address) from error
    raise StoreFailed(
        "this Weaviate lets anybody in without a key",
        where=address.url,
        do="set AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED=false on the server, or LORAG_INSECURE_DEV=1 to accept it",
    )


def _unreachable(address: WeaviateAddress) -> StoreFailed:
    return StoreFailed(
        "Weaviate does not answer", where=address.url, do="start it with `make weaviate`, or check WEAVIATE_URL"
    )


def _refused(address: WeaviateAddress) -> StoreFailed:
    what = "Weaviate refuses the key" if address.api_key else "Weaviate wants a key"
    return StoreFailed(what, where=address.url, do="set WEAVIATE_API_KEY to one that may read and write")


def _failed(address: WeaviateAddress, error: Exception) -> StoreFailed:
    text = " ".join(str(error).split())[:300]
    return StoreFailed(f"Weaviate: {text}", where=address.url, do="look at the server's log, then run this again")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
