"""The CO2 of a country's electricity, from the tables that codecarbon ships."""

import importlib.util
import json
from functools import cache
from pathlib import Path

GRAMS_A_KG = 1000


def co2_kg_of(kwh: float, country: str) -> float | None:
    """Return kilograms of CO2 equivalent; None for a country (ISO 3166 alpha-3) that the table does not hold."""
    grams_a_kwh = _intensities().get(country)
    return None if grams_a_kwh is None else kwh * grams_a_kwh / GRAMS_A_KG


@cache
def _intensities() -> dict[str, float]:
    # The package is found but not imported: its tracker takes seconds to start and forks processes to look at the
    # processor, which would itself be metered.
    spec = importlib.util.find_spec("codecarbon")
    if spec is None or not spec.submodule_search_locations:
        return {}
    table = Path(spec.submodule_search_locations[0]) / "data" / "private_infra" / "global_energy_mix.json"
    if not table.is_file():
        return {}
    countries = json.loads(table.read_text(encoding="utf-8"))
    return {code: float(mix["carbon_intensity"]) for code, mix in countries.items() if mix.get("carbon_intensity")}
