from lorag.use_cases.change_params import change_params
from lorag.use_cases.operate.operate import what_follows
from tests.use_cases.conftest import Place


def test_strangers_11_what_starts_without_being_asked_for_is_announced(place: Place) -> None:
    refresh, tuned, hybrid, compare = what_follows(place.params)
    assert "starts a refresh" in refresh
    assert "tuned is retrained every 7 days or when 10% of what it learned" in tuned
    assert "hybrid is retrained every 7 days or when a document that it learned is removed" in hybrid
    assert "by a refresh or a retrain" in compare
    change_params(place.workspace.params_file, {"schedules": {"compare_after": []}})
    assert len(what_follows(place.params)) == 3
