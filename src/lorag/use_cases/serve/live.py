"""The served release kept open between questions, so that a question waits for no import and no opening."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lorag.answering.generator import LanguageModel
from lorag.digests import digest_of
from lorag.integrations.models.generators import open_generator
from lorag.params import Params
from lorag.params_file import load_params
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import AdapterKind
from lorag.use_cases.serve.serve import Served, open_adapter, open_served
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Live:
    """What one answer comes from: a release, its params, and the language model with the adapter that was asked for."""

    served: Served
    params: Params
    model: LanguageModel


@dataclass(slots=True)
class _Opened:
    key: str
    served: Served
    params: Params
    closing: ExitStack
    n_users: int = 0
    is_current: bool = True


@dataclass(slots=True)
class LiveRelease:
    """The release that the pointer names, opened once for all threads.

    Before each question the pointer and params.yaml are looked at. If one of them changed, the next questions wait
    until the new release is open. Those under way end with the one that they began with, which is then closed.
    """

    workspace: Workspace
    environment: Mapping[str, str]
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _opened: _Opened | None = None
    _models: dict[str, LanguageModel] = field(default_factory=dict)

    @contextmanager
    def use(self, adapter: AdapterKind | None) -> Iterator[Live]:
        """Yield the current release with the model for one question; raises what `open_served` raises."""
        with self._lock:
            opened = self._current()
            folder = open_adapter(opened.served, adapter, self.workspace, opened.params)
            model = self._model(opened.params, folder)
            opened.n_users += 1
        try:
            yield Live(opened.served, opened.params, model)
        finally:
            with self._lock:
                opened.n_users -= 1
                self._close_unused(opened)

    def release_id(self) -> str:
        """Open the current release if it is not open, and return its id; raises what `open_served` raises."""
        with self._lock:
            return self._current().served.release.id

    def close(self) -> None:
        """Close the release once its last question has ended."""
        with self._lock:
            if self._opened is not None:
                self._opened.is_current = False
                self._close_unused(self._opened)
                self._opened = None

    def _current(self) -> _Opened:
        params = load_params(self.workspace.params_file)
        key = digest_of([ReleaseShelf(self.workspace.state).served_id(), params.model_dump(mode="json")])
        if self._opened is not None and self._opened.key == key:
            return self._opened
        with ExitStack() as stack:
            served = stack.enter_context(open_served(self.workspace, params, self.environment))
            opened = _Opened(key, served, params, stack.pop_all())
        self.close()
        self._opened = opened
        return opened

    def _model(self, params: Params, adapter: Path | None) -> LanguageModel:
        key = digest_of([params.generation.model_dump(mode="json"), adapter.name if adapter else None])
        if key not in self._models:
            # Those of the release before are not asked again, unless a rollback comes: then they are opened again.
            named = [*self._opened.served.release.adapters.values()] if self._opened else []
            wanted = {
                digest_of([params.generation.model_dump(mode="json"), sha256])
                for sha256 in [None, *(entry.sha256 for entry in named)]
            }
            self._models = {name: model for name, model in self._models.items() if name in wanted}
            self._models[key] = open_generator(params.generation, self.environment, adapter)
        return self._models[key]

    def _close_unused(self, opened: _Opened) -> None:
        if not opened.is_current and opened.n_users == 0:
            opened.closing.close()
