"""The result of an examination of a workspace."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """A check of `lorag doctor`; `problem` is None if all is well.

    `is_damage` is False if a problem is one of the machine, such as a full disk, and not one of stored bytes.
    """

    name: str
    problem: str | None = None
    detail: str = ""
    is_damage: bool = True
