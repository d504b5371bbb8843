import pytest

from lorag.console.operate import show_restored


def test_one_file_and_one_check_are_singular(capsys: pytest.CaptureFixture[str]) -> None:
    restored = {"files": 1, "made_utc": "2026-01-01", "workspace": "w", "checks": ["c"], "release": None, "notes": []}
    show_restored(restored)
    assert capsys.readouterr().out.splitlines()[:2] == ["1 file of 2026-01-01 in w", "1 check passed"]
