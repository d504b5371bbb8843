"""Point 15 of what strangers met: what a refresh and a status say about a source beside its documents."""

import shutil

from lorag.knowledge.documents import Flag
from lorag.use_cases.refresh.steps import read_source_report
from lorag.use_cases.serve.status import read_status
from tests.use_cases.conftest import Place


def test_strangers_15_status_lists_what_is_not_read_and_keeps_the_id_of_a_copied_page(place: Place) -> None:
    place.refresh()
    (place.source / "tide.zip").write_bytes(b"PK\x03\x04")
    shutil.copy(place.source / "kitchen.md", place.source / "a-copy.md")
    (place.source / "berths.md").write_text("# Berths\n\n<span style='color:white'>Berth 4</span> is deep.\n")
    found = read_status(place.workspace, place.params).to_json()
    assert list(found["changes"]["changed"]) == ["berths.md"] and not found["changes"]["added"]
    assert not found["changes"]["removed"] and not found["changes"]["renamed"]
    assert found["not_read"] == [{"suffix": ".zip", "count": 1, "first": ["tide.zip"]}]
    assert found["copies"] == [{"id": "kitchen.md", "copies": ["a-copy.md"]}]
    assert found["flagged"] == [{"flag": "maybe_hidden", "count": 1, "first": ["berths.md"]}]


def test_a_refresh_without_work_reports_the_source_without_reading_its_documents(place: Place) -> None:
    place.refresh()
    documents = place.workspace.documents_file
    documents.write_text(documents.read_text().replace('"flags":{}', '"flags":{"hidden_text":1}'))
    place.workspace.source_report_file.unlink(missing_ok=True)
    first = read_source_report(place.workspace, place.params)
    assert first.flagged[Flag.HIDDEN_TEXT].count == 2
    documents.unlink()
    assert read_source_report(place.workspace, place.params) == first
