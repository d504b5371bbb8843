"""The connection to the Weaviate nodes that the environment names, with the client's errors as errors of lorag."""

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
# A node that is asked just after its leader was lost would never answer; another one does.
_CLUSTER_QUERY_TIMEOUT_S = 15
_INSERT_TIMEOUT_S = 120


class Unanswered(StoreFailed):
    """A node, or the cluster at this moment, does not answer; another node may, or a later call."""


@dataclass(frozen=True, slots=True)
class WeaviateAddress:
    """The address of a node and the key to it; `insecure` allows a node that lets anybody in."""

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


def read_addresses(environment: Mapping[str, str]) -> tuple[WeaviateAddress, ...]:
    """Return the nodes in WEAVIATE_URL and WEAVIATE_GRPC_PORT, both separated by commas; one port may serve for all.

    WEAVIATE_API_KEY and LORAG_INSECURE_DEV apply to all of them. Raises ParamsError for what is no address.
    """
    urls = [text.strip() for text in environment.get("WEAVIATE_URL", "").split(",") if text.strip()]
    if not urls:
        raise ParamsError(
            "index.store is weaviate, but WEAVIATE_URL is not set",
            do="start a server with `make weaviate` and use the lines that it prints, or set index.store to lancedb",
        )
    ports = [text.strip() for text in environment.get("WEAVIATE_GRPC_PORT", "").split(",") if text.strip()]
    if len(ports) > 1 and len(ports) != len(urls):
        raise ParamsError(
            f"{len(ports)} ports for {len(urls)} nodes", where="WEAVIATE_GRPC_PORT", do="give one for all, or one each"
        )
    each_port = ports if len(ports) > 1 else ports * len(urls) or [str(DEFAULT_GRPC_PORT)] * len(urls)
    return tuple(_read_address(url, port, environment) for url, port in zip(urls, each_port, strict=True))


def _read_address(text: str, grpc: str, environment: Mapping[str, str]) -> WeaviateAddress:
    try:
        url = urlsplit(text)
        port = url.port
        grpc_port = int(grpc)
    except ValueError as error:
        raise ParamsError(f"bad address: {error}", where="WEAVIATE_URL, WEAVIATE_GRPC_PORT", do="fix it") from None
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


def connect(addresses: Sequence[WeaviateAddress]) -> "WeaviateClient":
    """Return a connected client of the first node; if that node dies later, searches and writes go to the next one.

    Raises Unanswered if the first node is down, and StoreFailed if it refuses the key or lets anybody in.
    """
    # Imported here: it takes a second, and `lorag --help` should not wait for it.
    import weaviate
    from weaviate.classes.init import AdditionalConfig, Auth, Timeout
    from weaviate.config import GrpcConfig

    address = addresses[0]
    if not address.insecure:
        _refuse_anonymous_access(address)
    grpc_host, grpc_port = _grpc_target(addresses)
    query_timeout_s = _QUERY_TIMEOUT_S if len(addresses) == 1 else _CLUSTER_QUERY_TIMEOUT_S
    with store_errors(address):
        return weaviate.connect_to_custom(
            http_host=address.host,
            http_port=address.port,
            http_secure=address.is_tls,
            grpc_host=grpc_host,
            grpc_port=grpc_port,
            grpc_secure=address.is_tls,
            auth_credentials=Auth.api_key(address.api_key) if address.api_key else None,
            additional_config=AdditionalConfig(
                timeout=Timeout(init=_CONNECT_TIMEOUT_S, query=query_timeout_s, insert=_INSERT_TIMEOUT_S),
                # Otherwise a certificate would have to contain the list of nodes as its name.
                grpc_config=GrpcConfig(channel_options=[("grpc.default_authority", address.host)]),
            ),
        )


def _grpc_target(addresses: Sequence[WeaviateAddress]) -> tuple[str, int]:
    """Return host and port for the client, which joins them with a colon; several nodes are one list in gRPC's syntax.

    gRPC stays with the first node that accepts its connection, and turns to the next when it is lost. A list cannot
    hold names, only addresses. In a cluster the name of a node that is down may be unknown; then the list does not
    contain it.
    """
    if len(addresses) == 1:
        return addresses[0].host, addresses[0].grpc_port
    places: list[tuple[str, int]] = []
    for address in addresses:
        with suppress(OSError):
            found = socket.getaddrinfo(address.host, address.grpc_port, socket.AF_INET, socket.SOCK_STREAM)
            places.append((str(found[0][4][0]), address.grpc_port))
    if not places:
        return addresses[0].host, addresses[0].grpc_port
    *others, (last, port) = places
    return f"ipv4:{''.join(f'{host}:{grpc_port},' for host, grpc_port in others)}{last}", port


@contextmanager
def store_errors(address: WeaviateAddress) -> Iterator[None]:
    """Raise the errors of Weaviate's client as StoreFailed, with one line that says what to do."""
    from httpx import TransportError
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
        # A cluster without a leader answers 500 for the seconds of an election.
        raise _failed(address, error, may_pass=error.status_code >= 500) from error
    except weaviate_errors.WeaviateGRPCUnavailableError as error:
        raise Unanswered(
            f"Weaviate does not answer on its gRPC port {address.grpc_port}",
            where=address.url,
            do="set WEAVIATE_GRPC_PORT to the port that `make weaviate` printed",
        ) from error
    except (weaviate_errors.WeaviateConnectionError, weaviate_errors.WeaviateStartUpError, TransportError) as error:
        raise _unreachable(address) from error
    except weaviate_errors.WeaviateTimeoutError as error:
        raise _failed(address, error, may_pass=True) from error
    except (weaviate_errors.WeaviateBaseError, OSError) as error:
        if "unauthenticated" in str(error).lower() or "unauthorized" in str(error).lower():
            raise _refused(address) from error
        raise _failed(address, error) from error


def _refuse_anonymous_access(address: WeaviateAddress) -> None:
    schema = f"{address.url}/v1/schema"
    try:
        with urllib.request.urlopen(schema, timeout=_CONNECT_TIMEOUT_S):  # noqa: S310 - http or https alone
            pass
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return
        raise Unanswered(
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


def _unreachable(address: WeaviateAddress) -> Unanswered:
    return Unanswered(
        "Weaviate does not answer", where=address.url, do="start it with `make weaviate`, or check WEAVIATE_URL"
    )


def _refused(address: WeaviateAddress) -> StoreFailed:
    what = "Weaviate refuses the key" if address.api_key else "Weaviate wants a key"
    return StoreFailed(what, where=address.url, do="set WEAVIATE_API_KEY to one that may read and write")


def _failed(address: WeaviateAddress, error: Exception, *, may_pass: bool = False) -> StoreFailed:
    text = " ".join(str(error).split())[:300]
    kind = Unanswered if may_pass else StoreFailed
    return kind(f"Weaviate: {text}", where=address.url, do="look at the server's log, then run this again")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
