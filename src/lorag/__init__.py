"""Keep a language model's knowledge current by RAG, LoRA or both, and measure what each update costs.

`from lorag import Workspace` gives the face for Python and notebooks.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lorag.face import Workspace

__all__ = ["Workspace"]


def __getattr__(name: str) -> Any:
    # Only on demand: each command and each stage imports this package, and most of them need nothing of it.
    if name == "Workspace":
        from lorag.face import Workspace

        return Workspace
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
