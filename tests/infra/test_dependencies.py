"""The look at the advisories: a hit fails, and what could not be looked up is never taken for clean."""

import json
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest

from tests.servers import infra_module

HIT = {"name": "b", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}
CLEAN = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "c", "skip_reason": "not found"}
UNREACHABLE = "Traceback\nrequests.exceptions.ConnectionError: no such host"


@pytest.mark.parametrize(
    ("out", "err", "status", "said"),
    [
        (json.dumps({"dependencies": [CLEAN]}), "", 0, "advisories: 0 in 1 packages; not looked up: none"),
        (json.dumps({"dependencies": [CLEAN, HIT]}), "", 1, "b 1: X-1, fixed in 2"),
        (json.dumps({"dependencies": [CLEAN, SKIPPED]}), "", 0, "0 in 1 packages; not looked up: c"),
        ("", UNREACHABLE, 0, "NOT looked up, because the database cannot be reached"),
        ("", "Traceback\nKeyError: 'x'", 1, "pip-audit failed: KeyError"),
        ("", "", 1, "pip-audit failed: no answer"),
    ],
)
def test_what_the_audit_says(
    out: str, err: str, status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: list[str], **options: Any) -> Any:
        assert command[1:3] == ["-m", "pip_audit"]
        return SimpleNamespace(stdout=out, stderr=err)

    monkeypatch.setattr(subprocess, "run", run)
    assert infra_module("", "dependencies").audit() == status
    assert said in capsys.readouterr().out
