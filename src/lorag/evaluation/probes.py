"""The probes of a gate, with the figures that it measured on an adapter."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Probe:
    """A measured figure with its verdict; `limit` is None for a probe that is only measured and always passes."""

    name: str
    value: float
    limit: float | None
    passed: bool

    def line(self) -> str:
        """Return the figure and its limit as text for a person."""
        return f"{self.name} {self.value:.3f}" + ("" if self.limit is None else f" against a limit of {self.limit:.3f}")
