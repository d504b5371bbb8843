"""A release travels to other machines through a bucket, and each of them serves the whole of one or of the next."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lorag.service.app import make_app
from lorag.workspace import Workspace
from tests import servers
from tests.use_cases.conftest import Place, make_place

KEY = "the-key-of-the-owner"
QUESTION = {"question": "How deep is berth 4 at the lowest tide?"}


def mirror(bucket: Mapping[str, str], prefix: str, workspace: Path) -> Any:
    module = servers.infra_module("s3", "mirror")
    return module.Mirror(servers.s3_client(bucket), servers.BUCKET, prefix, workspace)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = make_place(tmp_path)
    made.refresh()
    return made


def test_a_replica_serves_what_was_pushed_and_follows(bucket: Mapping[str, str], place: Place, tmp_path: Path) -> None:
    pushing, replica = mirror(bucket, "follows", place.workspace.root), Workspace(tmp_path / "replica")
    pulling = mirror(bucket, "follows", replica.root)
    assert not pulling.pull(), "nothing was pushed yet"
    assert pushing.push() and not pushing.push(), "nothing changed since"
    assert pulling.pull() and not pulling.pull()
    # In the place of the one Weaviate that both would ask.
    (replica.state / "lancedb").symlink_to(place.workspace.state / "lancedb")
    with TestClient(make_app(replica, {}, KEY), base_url="http://127.0.0.1") as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        before = client.post("/v1/answers", json=QUESTION).json()
        assert before["release"] == place.shelf.served_id() and "7.25" in before["answer"]
        assert "7.25" in client.get("/v1/documents/berths.md").json()["text"]
        (place.source / "berths.md").write_text("# Berths\n\nBerth 4 of the Quellwick basin is 9.10 metres deep.\n")
        place.refresh()
        assert pushing.push() and pulling.pull()
        after = client.post("/v1/answers", json=QUESTION).json()
        assert after["release"] == place.shelf.served_id() != before["release"] and "9.10" in after["answer"]
    assert not {".lorag/cache.sqlite", ".lorag/queries.jsonl", "artifacts/chunks.jsonl"} & pulling._last.keys()


def test_a_pull_that_breaks_off_leaves_the_release_before(
    bucket: Mapping[str, str], place: Place, tmp_path: Path
) -> None:
    replica = tmp_path / "replica"
    pushing, pulling = mirror(bucket, "breaks", place.workspace.root), mirror(bucket, "breaks", replica)
    pushing.push()
    pulling.pull()
    before = (replica / ".lorag/current.json").read_text()
    (place.source / "new.md").write_text("# Crane\n\nThe crane lifts 40 tonnes.\n")
    place.refresh()
    pushing.push()
    listed = json.loads(pushing.client.get_object(Bucket=servers.BUCKET, Key="breaks/list.json")["Body"].read())
    # A file that is damaged on the way.
    record = next(name for name in sorted(listed, reverse=True) if name.startswith(".lorag/releases/"))
    key = f"breaks/files/{listed[record]}"
    whole = pushing.client.get_object(Bucket=servers.BUCKET, Key=key)["Body"].read()
    pushing.client.put_object(Bucket=servers.BUCKET, Key=key, Body=whole[:-1])
    with pytest.raises(ValueError, match="damaged in the bucket"):
        pulling.pull()
    assert (replica / ".lorag/current.json").read_text() == before
    pushing.client.put_object(Bucket=servers.BUCKET, Key=key, Body=whole)
    assert pulling.pull() and (replica / ".lorag/current.json").read_text() != before
    # A release that is not retained any more goes, after the pointer has moved.
    shutil.rmtree(place.workspace.state / "releases")
    (place.workspace.state / "releases").mkdir()
    pushing.push()
    pulling.pull()
    assert not list((replica / ".lorag/releases").iterdir())


def test_a_list_cannot_write_elsewhere(bucket: Mapping[str, str], tmp_path: Path) -> None:
    pulling = mirror(bucket, "elsewhere", tmp_path / "replica")
    for name in ("../outside", ".lorag/releases/../../outside", "/etc/passwd", ".git/hooks/pre-commit"):
        body = json.dumps({name: "0" * 64}).encode()
        pulling.client.put_object(Bucket=servers.BUCKET, Key="elsewhere/list.json", Body=body)
        with pytest.raises(ValueError, match="no file of a service"):
            pulling.pull()
    assert not (tmp_path / "outside").exists()
