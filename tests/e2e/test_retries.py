"""A step is tried again where time may mend the failure, and only there."""

import pytest
from prefect import flow

from flows import steps
from lorag.errors import GateRefused, InputRejected, LoragError, StoreFailed


@pytest.mark.parametrize(
    ("error", "failures", "tries"),
    [
        (StoreFailed("the store is down"), 2, 3),
        (StoreFailed("the store stays down"), 9, 1 + steps.RETRIES),
        (GateRefused("recall@10 is too low"), 9, 1),
        (InputRejected("nothing to index"), 9, 1),
    ],
)
def test_only_a_store_is_asked_again(
    error: LoragError, failures: int, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "FIRST_DELAY_S", 0.05)
    asked = []

    def ask() -> str:
        asked.append(1)
        if len(asked) <= failures:
            raise error
        return "answered"

    @flow
    def run() -> str:
        return steps.as_step("ask", ask)()

    if failures < tries:
        assert run() == "answered"
    else:
        with pytest.raises(type(error), match=error.what):
            run()
    assert len(asked) == tries


def test_what_must_not_be_done_twice_is_not() -> None:
    asked = []

    def ask() -> None:
        asked.append(1)
        raise StoreFailed("down")

    @flow
    def run() -> None:
        steps.as_step("publish", ask, retries=0)()

    with pytest.raises(StoreFailed):
        run()
    assert len(asked) == 1
