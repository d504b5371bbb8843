"""Addresses are shown and kept without what may be a secret."""

import pytest

from lorag.integrations.shown_address import shown_address, without_user


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://me:hunter22@127.0.0.1:4200/api", "http://127.0.0.1:4200/api"),
        ("https://hunter22@host/api?token=hunter22#hunter22", "https://host/api"),
        ("postgresql+psycopg2://me:p@ss@host:5432/mlflow?password=p", "postgresql+psycopg2://host:5432/mlflow"),
        ("sqlite:////srv/a%20b/mlflow.db", "sqlite:////srv/a%20b/mlflow.db"),
        ("http://[hunter22", "an address that cannot be read"),
        ("", ""),
    ],
)
def test_user_password_and_query_are_left_out(address: str, shown: str) -> None:
    assert shown_address(address) == shown


def test_what_an_error_quotes_has_no_password() -> None:
    address = "http://me:hunter22@host:4200/api"
    assert without_user(f"404 for {address}/health", address) == "404 for http://host:4200/api/health"
    assert without_user("refused by me", "http://host/api") == "refused by me"
    assert without_user("refused", "http://[hunter22") == "refused"
