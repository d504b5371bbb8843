"""A clock that goes back while lorag works: releases stay in order, and no cost and no age is negative."""

import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from lorag.integrations.machine.cost_meter import CostMeter
from lorag.params_file import load_params
from lorag.releases.audit import read_audit
from lorag.releases.forgotten import forget
from lorag.releases.record import Release
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import AdapterKind
from lorag.use_cases.operate.back_up import back_up
from lorag.use_cases.operate.backups import backups_with_forgotten, drop_expired
from lorag.use_cases.refresh.embedding_lag import measure_lag
from lorag.use_cases.retrain.last_retrain import keep_retrain, since_last_retrain, since_last_try
from lorag.use_cases.serve.manage_releases import check_releases, roll_back
from lorag.use_cases.serve.search import search_workspace
from lorag.use_cases.serve.status import read_status
from tests.faults.works import copied, refresh, retrain

A_DAY_S = 86_400.0


class Backwards(datetime):
    """A clock that is a day further back each time that it is read."""

    n_read = 0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        cls.n_read += 1
        return REAL.now(tz) - timedelta(days=cls.n_read)


REAL = datetime
REAL_TIME = time.time


@pytest.fixture
def backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every module of lorag reads that clock, on a machine far from UTC."""
    monkeypatch.setattr(Backwards, "n_read", 0)
    for name, module in list(sys.modules.items()):
        if name.startswith("lorag.") and getattr(module, "datetime", None) is REAL:
            monkeypatch.setattr(module, "datetime", Backwards)
    monkeypatch.setattr(time, "time", lambda: REAL_TIME() - (Backwards.n_read + 1) * A_DAY_S)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("backwards")
def test_a_clock_that_goes_back_within_a_run_changes_no_order_and_makes_nothing_negative(
    made: Path, tmp_path: Path
) -> None:
    workspace = copied(made, tmp_path / "copy")
    params, shelf = load_params(workspace.params_file), ReleaseShelf(workspace.state)
    before = shelf.served()
    with CostMeter(params.costs) as meter:
        refresh(workspace)
    refreshed = shelf.served()
    retrain(workspace)
    retrained = shelf.served()
    assert before and refreshed and retrained
    assert [before.generation, refreshed.generation, retrained.generation] == [3, 4, 5]
    assert made_utc(before) > made_utc(refreshed) > made_utc(retrained), "the clock went back between them"
    assert [one.generation for one in shelf.releases()] == [5, 4], "the newest is retained, whatever its date"
    assert not [check for check in check_releases(workspace, params, {}) if check.problem]
    assert "9.10" in search_workspace("How deep is berth 4?", workspace, params, {}, top_k=1).hits[0].chunk.text

    assert min(meter.stop().as_metrics().values()) >= 0
    lag = measure_lag(refreshed, workspace, params)
    assert lag is None or lag.median >= 0
    keep_retrain([AdapterKind.TUNED], workspace)
    entry = retrained.adapters[AdapterKind.TUNED]
    tried = since_last_try(workspace, AdapterKind.TUNED, retrained)
    assert tried is not None and tried.days == 0
    (workspace.state / "last_retrains.json").unlink()
    assert since_last_retrain(workspace, AdapterKind.TUNED, entry, retrained).days == 0
    assert (read_status(workspace, params).waiting_s or 0) >= 0

    assert roll_back(workspace, params, {}, None).generation == 4
    refresh(workspace)
    again = shelf.served()
    assert again is not None and again.content_digest == refreshed.content_digest
    moments = [line["utc"] for line in read_audit(workspace.state)]
    assert all(moment.endswith("+00:00") for moment in moments), "UTC, on whatever machine"


@pytest.mark.usefixtures("backwards")
def test_a_backup_is_known_to_hold_what_was_forgotten_later_by_an_earlier_clock(made: Path, tmp_path: Path) -> None:
    workspace = copied(made, tmp_path / "copy")
    for name in ("before.zip", "after.zip"):
        back_up(workspace, tmp_path / name, {})
        if name == "before.zip":
            forget(workspace.state, ["removed.md"], [])
    found = [one.archive.name for one in backups_with_forgotten(workspace)]
    assert "before.zip" in found and "after.zip" not in found
    assert drop_expired(workspace) == [], "its term has not passed"


def made_utc(release: Release) -> datetime:
    return REAL.fromisoformat(release.created_utc)
