"""What an examination of a workspace found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the doctor looked at; `problem` is None where it is well."""

    name: str
    problem: str | None = None
    detail: str = ""
