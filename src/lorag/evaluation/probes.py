"""What a gate asks of an adapter, and what it found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Probe:
    """One measured figure with its verdict; `limit` is None for a probe that is measured only, which always passes."""

    name: str
    value: float
    limit: float | None
    passed: bool

    def line(self) -> str:
        """The figure against its limit, for a person."""
        return f"{self.name} {self.value:.3f}" + ("" if self.limit is None else f" against a limit of {self.limit:.3f}")
