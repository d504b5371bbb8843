"""The price of a use, computed from the price book."""

from lorag.costs.records import Cost, Machine, Use
from lorag.params import CostParams, PriceParams

SECONDS_AN_HOUR = 3600
TOKENS_A_MILLION = 1e6
BYTES_A_GB = 1e9


def price_of(use: Use, prices: PriceParams) -> float:
    """Return `cpu_hour * CPU hours + gpu_hour * GPU hours + kwh * kWh + token prices * tokens`.

    `cpu_hour` and `gpu_hour` are prices without electricity, which `kwh` adds. The rent of a machine contains its
    electricity: set `kwh` to 0 if you enter rent, or electricity is paid twice. Likewise the token prices are those of
    an endpoint and stay 0 if the model runs here. A core is paid for the time it computes, a GPU for the time it is
    held. Storage is not part of an update: see `price_storage`.
    """
    return (
        prices.cpu_hour * use.cpu_s / SECONDS_AN_HOUR
        + prices.gpu_hour * use.gpu_s / SECONDS_AN_HOUR
        + prices.kwh * use.kwh
        + prices.million_input_tokens * use.tokens_prompt / TOKENS_A_MILLION
        + prices.million_output_tokens * use.tokens_generated / TOKENS_A_MILLION
    )


def price_storage(stored_bytes: int, prices: PriceParams) -> float:
    """Return the price of storing this many bytes for a month."""
    return prices.storage_gb_month * stored_bytes / BYTES_A_GB


def cost_of(use: Use, params: CostParams, machine: Machine | None = None) -> Cost:
    """Return the use with its price, as measured on `machine`."""
    return Cost(use, price_of(use, params.prices), params.currency, machine)
