import pytest

from lorag.errors import IntegrityFailed
from lorag.strategies import AdapterKind
from lorag.use_cases.judge.vary_seeds import sections
from tests.use_cases.conftest import Place


def test_a_damaged_report_on_seeds_is_named(place: Place) -> None:
    assert sections(place.workspace) == []
    report = place.workspace.seeds_report(AdapterKind.TUNED)
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text('{"strategy": "tuned"}')
    with pytest.raises(IntegrityFailed, match="damaged report.*seeds_tuned.json"):
        sections(place.workspace)
