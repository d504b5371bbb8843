"""prefect.yaml, filled in with what params say."""

from pathlib import Path

import pytest

from lorag.errors import ParamsError
from lorag.params_file import load_params
from lorag.use_cases.operate.deploy_flows import fill_in, read_prefect_file, schedule_of

ROOT = Path(__file__).parents[3]
PARAMS = load_params(ROOT / "params.yaml").schedules


def test_each_deployment_has_the_schedule_of_params() -> None:
    params = PARAMS.model_copy(
        update={"refresh": 20, "retrain": "0 3 * * 0", "compare": None, "timezone": "Europe/Berlin"}
    )
    tree = fill_in(read_prefect_file(ROOT), params)
    found = {one["entrypoint"].rsplit(".", 1)[-1]: one["schedules"] for one in tree["deployments"]}
    assert found["refresh_index"] == [{"interval": 20, "timezone": "Europe/Berlin"}]
    assert found["retrain_adapter"] == [{"cron": "0 3 * * 0", "timezone": "Europe/Berlin"}]
    assert found["compare_strategies"] == []
    assert set(found) == {"refresh_index", "retrain_adapter", "compare_strategies", "clean_up"}


def test_the_event_and_the_schedule_retrain_what_is_due_alone() -> None:
    tree = fill_in(read_prefect_file(ROOT), PARAMS)
    by_name = {one["entrypoint"].rsplit(".", 1)[-1]: one for one in tree["deployments"]}
    retrain = by_name["retrain_adapter"]
    (trigger,) = retrain["triggers"]
    assert retrain["parameters"]["only_due"] is True, "also where the prefect.yaml is of an earlier version"
    assert trigger["parameters"] == retrain["parameters"]
    assert "only_due" not in by_name["refresh_index"]["parameters"]


def test_a_schedule_of_its_own_stays() -> None:
    tree = read_prefect_file(ROOT)
    tree["deployments"][0]["schedules"] = [{"cron": "5 5 * * *"}]
    assert fill_in(tree, PARAMS)["deployments"][0]["schedules"] == [{"cron": "5 5 * * *"}]


@pytest.mark.parametrize(("after", "enabled"), [(("refresh", "retrain"), True), (("retrain",), True), ((), False)])
def test_only_the_named_releases_are_compared(after: tuple[str, ...], enabled: bool) -> None:
    tree = fill_in(read_prefect_file(ROOT), PARAMS.model_copy(update={"compare_after": after}))
    compare = next(one for one in tree["deployments"] if "compare" in one["entrypoint"])
    assert compare["triggers"][0]["match"]["lorag.by"] == list(after)
    assert compare["triggers"][0]["enabled"] is enabled


def test_a_workspace_without_the_file_has_the_one_of_lorag(tmp_path: Path) -> None:
    assert read_prefect_file(tmp_path) == read_prefect_file(ROOT)


@pytest.mark.parametrize("text", ["deployments: 1\n", "a: [\n", "deployments:\n  - name: x\n", ""])
def test_what_is_no_prefect_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "prefect.yaml").write_text(text)
    with pytest.raises(ParamsError):
        read_prefect_file(tmp_path)


def test_an_unknown_flow_has_no_schedule() -> None:
    assert schedule_of({"entrypoint": "flows/own.py:own"}, PARAMS) is None
