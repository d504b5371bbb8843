"""A step is tried again where time may mend the failure, and only there; a run says in its name what runs and why."""

from collections.abc import Iterator, Sequence
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import CreatedBy, FlowRun
from prefect.runtime import flow_run

from flows import steps
from lorag.errors import GateRefused, InputRejected, LoragError, StoreFailed
from lorag.integrations.prefect.record import show_done


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


def test_a_run_is_named_by_what_runs_where_and_why() -> None:
    names: list[str | None] = []

    @flow(flow_run_name=steps.run_name("retrain"))
    def retrain(workspace_root: str, adapters: Sequence[str] = ()) -> None:
        names.append(flow_run.name)

    @flow
    def walk() -> None:
        retrain("/somewhere/handbook")

    retrain("/somewhere/handbook", ["tuned"])
    walk()
    assert names == ["retrain handbook tuned, by hand", "retrain handbook, in a walk"]


@pytest.mark.parametrize(
    ("by", "said"), [("SCHEDULE", "on schedule"), ("AUTOMATION", "on an event"), (None, "on request")]
)
def test_the_name_of_a_deployed_run_tells_a_schedule_from_an_event(by: str | None, said: str) -> None:
    created = CreatedBy(id=uuid4(), type=by, display_value="") if by else None
    run = FlowRun(flow_id=uuid4(), deployment_id=uuid4(), created_by=created)
    assert steps._cause(run) == said


def test_a_long_run_shows_what_share_of_it_is_done() -> None:
    seen: list[float] = []

    def progress() -> float:
        with get_client(sync_client=True) as client:
            found = client.request("POST", "/artifacts/filter", json={}).json()
        return next(float(one["data"]) for one in found if one["key"] == "versions-walked")

    @flow
    def walk() -> list[str]:
        done = []
        for version in show_done(["v1", "v2"], "versions-walked"):
            seen.append(progress())
            done.append(version)
        return done

    assert walk() == ["v1", "v2"]
    assert [*seen, progress()] == [0.0, 50.0, 100.0]


class Unread(list[int]):
    """A list that nobody may go through."""

    def __iter__(self) -> Iterator[int]:
        raise AssertionError("somebody looked into it")


def test_prefect_does_not_look_into_what_a_step_is_given() -> None:
    """It would go through the plan for a large index before each step, for a minute."""
    count = steps.as_step("count", lambda items, more=2: len(items) + more)

    @flow
    def counting() -> tuple[int, int]:
        return count(Unread([1, 2])), count(items=Unread([1]), more=5)

    assert counting() == (4, 6)
