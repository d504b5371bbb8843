"""The resources that an update or a query used, and their cost: one schema for every strategy."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Use:
    """The resources that were used between two moments.

    `cpu_s` is processor time over all cores. `gpu_s` is the time that GPUs were held, times their number. `peak_rss_mb`
    (MiB) is the sum over a process tree, so memory shared by processes counts once for each. `bytes_written` went to a
    file system on a device. None means that this machine does not report the value. A language model read
    `tokens_prompt` and wrote `tokens_generated`. `kwh` and `co2_kg` are estimates.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    gpu_s: float = 0.0
    peak_rss_mb: float = 0.0
    bytes_written: int | None = None
    tokens_embedded: int = 0
    tokens_prompt: int = 0
    tokens_generated: int = 0
    tokens_trained: int = 0
    kwh: float = 0.0
    co2_kg: float | None = None

    @property
    def tokens(self) -> int:
        """The tokens of all kinds."""
        return self.tokens_embedded + self.tokens_prompt + self.tokens_generated + self.tokens_trained

    def times(self, factor: float) -> "Use":
        """Return the use with all sums multiplied by `factor`; the peak of memory stays the same."""
        values = {name: value for name, value in asdict(self).items() if value is not None and name != "peak_rss_mb"}
        return replace(self, **{n: round(v * factor) if n in _COUNTS else v * factor for n, v in values.items()})

    def shared(self, share: float) -> "Use":
        """Return the part of one of several works at the same time: its own time and tokens, a share of the rest."""
        part = self.times(share)
        kept = ("wall_s", "tokens_embedded", "tokens_prompt", "tokens_generated", "tokens_trained")
        return replace(part, **{name: getattr(self, name) for name in kept})

    def plus(self, other: "Use") -> "Use":
        """Return the use of both, one after the other.

        A value that either one lacks is None, and memory is the greater peak.
        """
        peak = max(self.peak_rss_mb, other.peak_rss_mb)
        pairs = {name: (value, getattr(other, name)) for name, value in asdict(self).items()}
        sums: dict[str, Any] = {name: None if None in pair else sum(pair) for name, pair in pairs.items()}
        return Use(**sums | {"peak_rss_mb": peak})


@dataclass(frozen=True, slots=True)
class Machine:
    """The hardware of a measurement: the processor's model, the cores that a process may use, and the GPUs it sees."""

    processor: str
    n_cores: int
    gpus: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ", ".join([self.processor, f"{self.n_cores} core{'s' if self.n_cores > 1 else ''}", *self.gpus])

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read the plain values of a machine."""
        return cls(value["processor"], value["n_cores"], tuple(value["gpus"]))


@dataclass(frozen=True, slots=True)
class Cost:
    """A use with its price in `currency`; `machine` is None if it is unknown where the use was measured."""

    use: Use
    money: float
    currency: str
    machine: Machine | None = None

    def plus(self, other: "Cost") -> "Cost":
        """Return the sum of both, which have the same currency; its machine is unknown if they have different ones."""
        machine = self.machine if self.machine == other.machine else None
        return Cost(self.use.plus(other.use), self.money + other.money, self.currency, machine)

    def as_metrics(self) -> dict[str, float]:
        """Return `cost.<name>` for every number that is known, with the same names for every kind of update.

        `cost.wh`, `cost.cents` and `cost.mb_written` repeat energy, money and bytes in smaller units, because MLflow's
        pages show two decimals only. `from_metrics` does not read them.
        """
        values: dict[str, float | None] = asdict(self.use) | {"money": self.money}
        values |= {"wh": 1_000 * self.use.kwh, "cents": 100 * self.money}
        if self.use.bytes_written is not None:
            values["mb_written"] = self.use.bytes_written / 1e6
        return {f"cost.{name}": float(value) for name, value in values.items() if value is not None}

    @classmethod
    def from_metrics(cls, metrics: Mapping[str, float], currency: str, machine: Machine | None = None) -> Self | None:
        """Read what `as_metrics` returned; None where time or money was not logged."""
        if "cost.wall_s" not in metrics or "cost.money" not in metrics:
            return None
        values: dict[str, Any] = {f.name: metrics[f"cost.{f.name}"] for f in fields(Use) if f"cost.{f.name}" in metrics}
        return cls(
            Use(**values | {name: int(values[name]) for name in _COUNTS & values.keys()}),
            metrics["cost.money"],
            currency,
            machine,
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values, unknown ones as None."""
        machine = asdict(self.machine) if self.machine else None
        return asdict(self.use) | {"money": self.money, "currency": self.currency, "machine": machine}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned; earlier versions named no machine."""
        use = {name: number for name, number in value.items() if name not in ("money", "currency", "machine")}
        machine = value.get("machine")
        return cls(Use(**use), value["money"], value["currency"], Machine.from_json(machine) if machine else None)


_COUNTS = {"bytes_written", "tokens_embedded", "tokens_prompt", "tokens_generated", "tokens_trained"}
