"""A Prefect server that is not there, met by a real flow."""

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from lorag.errors import ParamsError, StoreFailed
from lorag.integrations.prefect.errors import lost_server
from lorag.integrations.prefect.notices import notify_of_failures
from lorag.integrations.prefect.server import connect_server


@flow(name="idle")
def idle() -> int:
    return 1


def test_a_server_that_is_not_there_is_told_from_a_defect() -> None:
    environment = {"PREFECT_API_URL": "http://me:secret@127.0.0.1:9/api"}
    settings = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(settings), pytest.raises(Exception) as caught:
        idle()
    lost = lost_server(caught.value, environment)
    assert lost is not None
    assert "Prefect" in lost.line() and "http://127.0.0.1:9/api" in lost.line() and "secret" not in lost.line()
    assert lost_server(ValueError("a defect"), environment) is None


def test_no_password_of_a_server_or_a_notice_is_printed(caplog: pytest.LogCaptureFixture) -> None:
    address = "http://me:hunter22@127.0.0.1:9/api"
    with pytest.raises(StoreFailed, match="Prefect failed") as caught, connect_server(address) as client:
        client.read_automations_by_name("any")
    assert "http://127.0.0.1:9/api" in caught.value.line() and "hunter22" not in caught.value.line()
    with pytest.raises(ParamsError, match="not an Apprise address") as refused:
        notify_of_failures("handbook", "no address hunter22", address)
    assert "hunter22" not in refused.value.line() + caplog.text
