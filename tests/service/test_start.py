"""What the service refuses to start with, and the rate of a key."""

import stat

import pytest

from lorag.errors import ParamsError
from lorag.service.guard import Rates
from lorag.service.keys import owner_key
from lorag.service.problems import Refused
from lorag.service.run import HOSTS_VARIABLE, KEY_VARIABLE, _choose_hosts, serve
from tests.use_cases.conftest import Place


@pytest.mark.parametrize(
    ("host", "named", "variable", "expected"),
    [
        ("127.0.0.1", [], "", []),
        ("localhost", ["proxy.example"], "", ["proxy.example"]),
        ("::1", [], "a.example, b.example", ["a.example", "b.example"]),
        ("0.0.0.0", ["a.example"], "", ["a.example"]),
        ("::", [], "a.example", ["a.example"]),
        ("10.0.0.5", [], "", ["10.0.0.5"]),
        ("0.0.0.0", [], "", None),
        ("::", [], " , ", None),
    ],
)
def test_names_are_needed_where_other_machines_may_ask(
    host: str, named: list[str], variable: str, expected: list[str] | None
) -> None:
    environment = {HOSTS_VARIABLE: variable}
    if expected is None:
        with pytest.raises(ParamsError, match="no name is allowed"):
            _choose_hosts(host, named, environment)
    else:
        assert _choose_hosts(host, named, environment) == expected


def test_a_key_that_can_be_guessed_is_refused(place: Place) -> None:
    with pytest.raises(ParamsError, match="fewer than 16"):
        serve(place.workspace, {KEY_VARIABLE: "secret"}, "127.0.0.1", None)


def test_the_key_is_made_once_and_stays_until_another_is_given(place: Place) -> None:
    file = place.workspace.service_key_file
    made = owner_key(None, KEY_VARIABLE, file)
    assert len(made) >= 32 and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert owner_key("", KEY_VARIABLE, file) == made and owner_key(None, KEY_VARIABLE, file) == made
    assert owner_key("another-random-key", KEY_VARIABLE, file) == "another-random-key"
    file.write_text("short")
    with pytest.raises(ParamsError, match=r"fewer than 16 characters – .*serve\.key"):
        owner_key(None, KEY_VARIABLE, file)


def test_each_key_has_its_own_rate() -> None:
    rates = Rates(3)
    # A minute may end in the middle: then the count begins again, and one more is let through.
    for _ in range(3):
        rates.count("a")
    with pytest.raises(Refused) as refused:
        for _ in range(4):
            rates.count("a")
    assert refused.value.kind.status == 429 and 1 <= int(refused.value.headers["Retry-After"]) <= 60
    rates.count("b")
