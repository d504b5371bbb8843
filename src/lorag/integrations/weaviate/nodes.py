"""The nodes of a Weaviate cluster: a client asks one of them, and turns to another if that one does not answer."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_random_exponential

from lorag.integrations.weaviate.client import Unanswered, WeaviateAddress, connect, store_errors

if TYPE_CHECKING:
    from weaviate import WeaviateClient

logger = logging.getLogger(__name__)

_ELECTION_S = 60
"""Nodes notice within seconds that their leader is lost, but a client that asks before may wait until a time-out."""

T = TypeVar("T")


class WeaviateNodes:
    """The nodes, connected on first use. A server that is alone is a cluster of one."""

    def __init__(self, addresses: Sequence[WeaviateAddress]) -> None:
        self._addresses = list(addresses)
        self._client: WeaviateClient | None = None
        self._left: list[WeaviateClient] = []
        self._lock = threading.RLock()

    @property
    def url(self) -> str:
        """The address of the node that is asked."""
        return self._addresses[0].url

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise the client's errors in the body as errors of lorag."""
        with store_errors(self._addresses[0]):
            yield

    def use(self, name: str) -> Any:
        """Return a collection; a majority of the nodes confirms each write to it."""
        return at_quorum(self._connect(), name)

    def ask(self, question: "Callable[[WeaviateClient], T]") -> T:
        """Return a node's answer on what the nodes agree on, such as their collections; `question` may be asked again.

        While the nodes elect a leader, none of them can answer. So they are asked for as long as that takes. A server
        that is alone is asked once.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(Unanswered),
            stop=stop_after_delay(_ELECTION_S) if len(self._addresses) > 1 else stop_after_attempt(1),
            wait=wait_random_exponential(multiplier=0.5, max=4),
            before_sleep=lambda _: self._leave_node(),
            reraise=True,
        )

        def ask_once() -> T:
            with self.errors():
                return question(self._connect())

        return retrying(ask_once)

    def each(self) -> "Iterator[WeaviateClient]":
        """Yield a client for each node that answers, open until the next one; nodes that do not answer are logged.

        Raises Unanswered if none answers. A search by such a client is answered from that node's own copy of a
        collection, unless the node dies in the meantime.
        """
        nodes, down = tuple(self._addresses), list[Unanswered]()
        for number in range(len(nodes)):
            try:
                client = connect([*nodes[number:], *nodes[:number]])
            except Unanswered as error:
                down.append(error)
                continue
            with closing(client):
                yield client
        if len(down) == len(nodes):
            raise down[-1]
        for reason in down:
            logger.warning("not searched, run `lorag doctor` when it is back: %s", reason)

    def close(self) -> None:
        """Close all connections; may be called twice."""
        with self._lock:
            for client in (self._client, *self._left):
                if client is not None:
                    client.close()
            self._client, self._left = None, []

    def _connect(self) -> "WeaviateClient":
        with self._lock:
            for _ in self._addresses[1:]:
                if self._client is None:
                    try:
                        self._client = connect(self._addresses)
                    except Unanswered:
                        self._turn()
            if self._client is None:
                self._client = connect(self._addresses)
            return self._client

    def _leave_node(self) -> None:
        """Turn to the next node. Handles of the old client still work: their calls go to any node that answers."""
        with self._lock:
            if self._client is not None:
                self._left.append(self._client)
            self._client = None
            self._turn()

    def _turn(self) -> None:
        self._addresses = [*self._addresses[1:], self._addresses[0]]


def at_quorum(client: "WeaviateClient", name: str) -> Any:
    """Return a collection; a majority of the nodes confirms each write to it."""
    from weaviate.classes.config import ConsistencyLevel

    return client.collections.use(name).with_consistency_level(ConsistencyLevel.QUORUM)
