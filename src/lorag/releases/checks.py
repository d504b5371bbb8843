"""The result of an examination of a workspace."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """A check of `lorag doctor`; `problem` is None if all is well."""

    name: str
    problem: str | None = None
    detail: str = ""
