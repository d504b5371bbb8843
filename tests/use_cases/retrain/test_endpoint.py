"""A retrain where an endpoint answers."""

import pytest

from lorag.errors import ParamsError
from lorag.use_cases.change_params import change_params
from lorag.use_cases.retrain.steps import choose_adapters
from tests.use_cases.conftest import Place


def test_strangers_20_a_retrain_is_refused_before_any_work_where_an_endpoint_answers(place: Place) -> None:
    change_params(place.workspace.params_file, {"generation": {"engine": "endpoint", "endpoint_model": "served"}})
    with pytest.raises(ParamsError, match="neither trained nor examined here.*set it to auto"):
        choose_adapters(place.workspace, place.params, [])
