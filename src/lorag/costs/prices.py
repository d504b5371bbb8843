"""What use is worth by the price book."""

from lorag.costs.records import Cost, Use
from lorag.params import CostParams, PriceParams

SECONDS_AN_HOUR = 3600
TOKENS_A_MILLION = 1e6
BYTES_A_GB = 1e9


def price_of(use: Use, prices: PriceParams) -> float:
    """`cpu_hour * CPU hours + gpu_hour * GPU hours + kwh * kWh + token prices * tokens`.

    `cpu_hour` and `gpu_hour` are prices without electricity, which `kwh` adds. Rent for a machine contains its
    electricity: whoever enters rent sets `kwh` to 0, or pays it twice. Likewise the token prices are an endpoint's and
    stay 0 where the model runs here. A core is paid for the time it computes, a GPU for the time it is held. Storage
    is no part of an update: see `price_storage`.
    """
    return (
        prices.cpu_hour * use.cpu_s / SECONDS_AN_HOUR
        + prices.gpu_hour * use.gpu_s / SECONDS_AN_HOUR
        + prices.kwh * use.kwh
        + prices.million_input_tokens * use.tokens_prompt / TOKENS_A_MILLION
        + prices.million_output_tokens * use.tokens_generated / TOKENS_A_MILLION
    )


def price_storage(stored_bytes: int, prices: PriceParams) -> float:
    """What keeping so much costs a month."""
    return prices.storage_gb_month * stored_bytes / BYTES_A_GB


def cost_of(use: Use, params: CostParams) -> Cost:
    """The use with its price."""
    return Cost(use, price_of(use, params.prices), params.currency)
