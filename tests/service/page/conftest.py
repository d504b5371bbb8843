"""A workspace for the page, made once: two releases that differ, and a source that has changed since."""

import shutil
from pathlib import Path

import pytest

from tests.use_cases.conftest import Place, make_place

QUESTION = "How deep is berth 4 at the lowest tide?"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Two releases that differ, and a source that has changed since."""
    made = make_place(tmp_path_factory.mktemp("page"))
    hostile = f"Signals {HOSTILE}\n\nThe {HOSTILE} flag of the Quellwick basin is orange on Sundays.\n"
    (made.source / "signals.txt").write_text(hostile)
    made.refresh()
    (made.source / "berths.md").write_text(
        "# Berths\n\nBerth 4 of the Quellwick basin is 9.10 metres deep at low tide.\n"
    )
    (made.source / "kitchen.md").unlink()
    made.refresh()
    (made.source / "new.md").write_text("# Crane\n\nThe crane lifts 40 tonnes.\n")
    (made.source / "empty.md").write_text("")
    return made


def with_reports(place: Place) -> None:
    """The sample's comparison and walk, as if this workspace had made them."""
    sample = Path(__file__).parents[3] / "docs" / "reports" / "sample"
    place.workspace.reports.mkdir(exist_ok=True)
    for name in ("comparison.json", "timeline.json"):
        shutil.copy(sample / name, place.workspace.reports)
