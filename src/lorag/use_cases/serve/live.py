"""The served release kept open between questions, so that a question waits for no import and no opening."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from lorag.answering.generator import LanguageModel
from lorag.digests import digest_of
from lorag.errors import LoragError
from lorag.integrations.models.generators import open_generator, retire_adapters
from lorag.params import Params
from lorag.params_file import load_params
from lorag.releases.forgotten import read_forgotten
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import AdapterKind
from lorag.use_cases.serve.serve import Served, open_adapter, open_served
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Live:
    """What one answer comes from: a release, its params, and the language model with the adapter that was asked for.

    `open_model` gives the language model with another adapter of this release.
    """

    served: Served
    params: Params
    model: LanguageModel
    open_model: Callable[[AdapterKind | None], LanguageModel]


@dataclass(slots=True)
class _Opened:
    key: str
    forgotten: str
    served: Served
    params: Params
    closing: ExitStack
    n_users: int = 0
    is_current: bool = True


@dataclass(slots=True)
class LiveRelease:
    """The release that the pointer names, opened once for all threads.

    Before each question the pointer, params.yaml and the ledger of forgotten documents are looked at. If one of them
    changed, the question that sees it first opens the new release, with the models that are in use, and waits for it.
    The others are answered from the release before, without waiting, until the new one takes its place; but they wait,
    too, if a document was forgotten since that was opened. Questions under way end with the one that they began with,
    which is then closed.
    """

    workspace: Workspace
    environment: Mapping[str, str]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    """Held to look at the fields below and to change them, never while something is opened."""
    _opening: threading.Lock = field(default_factory=threading.Lock)
    _loading: threading.Lock = field(default_factory=threading.Lock)
    _closed: threading.Event = field(default_factory=threading.Event)
    _opened: _Opened | None = None
    _models: dict[str, LanguageModel] = field(default_factory=dict)
    _asked: set[AdapterKind | None] = field(default_factory=set)

    @contextmanager
    def use(self, adapter: AdapterKind | None) -> Iterator[Live]:
        """Yield the current release with the model for one question; raises what `open_served` raises."""
        opened = self._take_current()
        try:
            model = self._model_of(opened, adapter)
            with self._lock:
                self._asked.add(adapter)
            yield Live(opened.served, opened.params, model, partial(self._model_of, opened))
        finally:
            self._give_back(opened)

    def release_id(self) -> str:
        """Open the current release if it is not open, and return its id; raises what `open_served` raises."""
        opened = self._take_current()
        self._give_back(opened)
        return opened.served.release.id

    def keep_up(self, every_s: float = 1.0) -> None:
        """Open what is to be served soon after it changed, so that the release before is let go, until `close`.

        A release that nobody has asked for yet stays closed.
        """
        while not self._closed.wait(every_s):
            # What is wrong with the release is reported to the question that needs it.
            with suppress(LoragError):
                if self._opened is not None:
                    self.release_id()

    def close(self) -> None:
        """Close the release once its last question has ended."""
        self._closed.set()
        with self._lock:
            self._replace(None)

    def _take_current(self) -> _Opened:
        """Return the current release, which stays open until it is given back."""
        params, key, forgotten = self._wanted()
        if opened := self._take(key, forgotten):
            return opened
        if not self._opening.acquire(blocking=False):
            # Another question opens the new release: what is open answers meanwhile.
            if opened := self._take(None, forgotten):
                return opened
            self._opening.acquire()
        try:
            # What is wanted may have changed, or have been opened, since then.
            params, key, forgotten = self._wanted()
            return self._take(key, forgotten) or self._open(params, key, forgotten)
        finally:
            self._opening.release()

    def _wanted(self) -> tuple[Params, str, str]:
        """Return the params, the key of what is to be open, and the digest of the ledger of forgotten documents."""
        params, state = load_params(self.workspace.params_file), self.workspace.state
        key = digest_of([ReleaseShelf(state).used_id(), params.model_dump(mode="json")])
        return params, key, read_forgotten(state).digest

    def _take(self, key: str | None, forgotten: str) -> _Opened | None:
        """Take what is open, if anything is, it has this key (None takes any), and nothing was forgotten since."""
        with self._lock:
            opened = self._opened
            if opened is None or key not in (None, opened.key) or forgotten != opened.forgotten:
                return None
            opened.n_users += 1
            return opened

    def _open(self, params: Params, key: str, forgotten: str) -> _Opened:
        with ExitStack() as stack:
            served = stack.enter_context(open_served(self.workspace, params, self.environment))
            opened = _Opened(key, forgotten, served, params, stack.pop_all(), n_users=1)
        with self._lock:
            asked = set(self._asked) if self._opened else set()
        for adapter in asked:
            # Whatever is wrong with an adapter is reported to the question that needs it.
            with suppress(LoragError):
                self._model_of(opened, adapter)
        with self._lock:
            before = self._opened
            self._replace(opened)
        # Questions under way may still ask those of the release before.
        releases = [each.served.release for each in (before, opened) if each]
        named = {entry.sha256 for release in releases for entry in release.adapters.values()}
        if before is not None:
            retire_adapters(params.generation, self.environment, named)
        return opened

    def _model_of(self, opened: _Opened, adapter: AdapterKind | None) -> LanguageModel:
        folder = open_adapter(opened.served, adapter, self.workspace, opened.params)
        key = _model_key(opened.params, folder.name if folder else None)
        with self._lock:
            if key in self._models:
                return self._models[key]
        with self._loading:
            with self._lock:
                if key in self._models:
                    return self._models[key]
            model = open_generator(opened.params.generation, self.environment, folder)
            with self._lock:
                self._models[key] = model
        return model

    def _replace(self, opened: _Opened | None) -> None:
        """Let another release be the current one; the lock is held."""
        before, self._opened = self._opened, opened
        if before is not None:
            before.is_current = False
            _close_unused(before)
        if opened is not None:
            # Models of the release before are not asked again, unless a rollback comes: then they are opened again.
            named = [None, *(entry.sha256 for entry in opened.served.release.adapters.values())]
            wanted = {_model_key(opened.params, sha256) for sha256 in named}
            self._models = {key: model for key, model in self._models.items() if key in wanted}

    def _give_back(self, opened: _Opened) -> None:
        with self._lock:
            opened.n_users -= 1
            _close_unused(opened)


def _model_key(params: Params, sha256: str | None) -> str:
    return digest_of([params.generation.model_dump(mode="json"), sha256])


def _close_unused(opened: _Opened) -> None:
    if not opened.is_current and opened.n_users == 0:
        opened.closing.close()
