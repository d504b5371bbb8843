"""A backup restores what was served, or is refused; P21 and S22."""

import hashlib
import json
import random
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from lorag.errors import Busy, IntegrityFailed, LoragError, ParamsError
from lorag.releases.audit import read_audit
from lorag.releases.durable import writer_lock
from lorag.releases.shelf import ReleaseShelf
from lorag.use_cases.operate.back_up import KEY_VARIABLE, back_up, restore
from lorag.use_cases.serve.search import search_workspace
from lorag.workspace import Workspace
from tests.use_cases.conftest import Place, make_place

KEY = {KEY_VARIABLE: "a secret of this test"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A workspace with a release and an adapter, which the tests only read."""
    place = make_place(tmp_path_factory.mktemp("kept"))
    place.refresh()
    place.publish_adapter(1)
    return place


@pytest.fixture(scope="module")
def archive(kept: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backups") / "w.zip"
    back_up(kept.workspace, path, {})
    return path


def test_a_restored_workspace_serves_the_same(kept: Place, archive: Path, tmp_path: Path) -> None:
    restored = restore(archive, tmp_path / "new" / "place", {})
    before, after = ReleaseShelf(kept.workspace.state), ReleaseShelf(restored.workspace / ".lorag")
    assert after.served() == before.served() and after.releases() == before.releases()
    assert {check.name.split()[0] for check in restored.checks} == {"served", "release", "adapter", "audit"}
    there = Workspace(restored.workspace)
    for question in ("How deep is berth 4?", "crane"):
        found = [search_workspace(question, place, kept.params, {}).to_json() for place in (kept.workspace, there)]
        assert found[0] == found[1] and found[0]["hits"]
    assert [line["action"] for line in read_audit(there.state)] == ["serve", "serve", "back_up", "restore"]
    assert (there.root / ".git/HEAD").is_file() and (there.root / ".dvc/config").is_file()
    assert not there.cache_file.exists()


def test_a_backup_is_for_its_owner_alone_and_has_each_content_once(kept: Place, archive: Path) -> None:
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    with zipfile.ZipFile(archive) as file:
        names = file.namelist()
        listed = json.loads(file.read("manifest.json"))["files"]
    assert len(names) == len(set(names)) == len({entry["sha256"] for entry in listed}) + 1
    assert len(listed) > len(names)


def test_a_damaged_backup_is_never_restored(archive: Path, tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    chance, whole = random.Random(seed), archive.read_bytes()
    bad = tmp_path / "bad.zip"
    for at in chance.sample(range(len(whole)), 60):
        bad.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << chance.randrange(8)]) + whole[at + 1 :])
        with pytest.raises(IntegrityFailed):
            restore(bad, tmp_path / "new", {})
        assert not list(tmp_path.glob("*new*")), f"seed {seed}, byte {at}"
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        bad.write_bytes(whole[:length])
        with pytest.raises(IntegrityFailed):
            restore(bad, tmp_path / "new", {})
    assert not (tmp_path / "new").exists()


def edited(archive: Path, target: Path, entry: dict[str, object]) -> Path:
    """A copy of a backup with one more file in its list, sealed again."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name == "manifest.json":
                value = json.loads(text)
                value["files"].append({**value["files"][0], **entry})
                text = json.dumps(value).encode()
            new.writestr(name, text)
        new.comment = b"0" * 64
    data = target.read_bytes()[:-64]
    target.write_bytes(data + hashlib.sha256(data).hexdigest().encode())
    return target


@pytest.mark.parametrize("path", ["../evil", "/tmp/evil", "a/../../evil", "..\\evil", ""])
def test_no_file_is_written_outside(archive: Path, tmp_path: Path, path: str) -> None:
    bad = edited(archive, tmp_path / "bad.zip", {"path": path})
    with pytest.raises(IntegrityFailed, match="outside"):
        restore(bad, tmp_path / "deep" / "new", {})
    assert not list(tmp_path.rglob("*evil*")) and not (tmp_path / "deep/new").exists()


def test_a_signed_backup_needs_its_key(kept: Place, archive: Path, tmp_path: Path) -> None:
    signed = tmp_path / "signed.zip"
    assert back_up(kept.workspace, signed, KEY).signed
    bad = edited(signed, tmp_path / "bad.zip", {"path": "more.txt"})
    for file, environment in [(signed, {}), (signed, {KEY_VARIABLE: "another"}), (archive, KEY), (bad, KEY)]:
        with pytest.raises(IntegrityFailed, match="signed"):
            restore(file, tmp_path / "new", environment)
    assert restore(signed, tmp_path / "new", KEY).release == ReleaseShelf(kept.workspace.state).served_id()


def test_what_is_there_is_not_written_over(kept: Place, archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="exists"):
        back_up(kept.workspace, archive, {})
    with pytest.raises(ParamsError, match="in what it backs up"):
        back_up(kept.workspace, kept.workspace.root / "b.zip", {})
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    for target in ("full", "full/mine.txt"):
        with pytest.raises(ParamsError, match="new or empty"):
            restore(archive, tmp_path / target, {})
    with pytest.raises(ParamsError, match="no such backup"):
        restore(tmp_path / "none.zip", tmp_path / "new", {})
    assert (tmp_path / "full/mine.txt").read_text() == "mine"


def test_no_backup_is_made_while_something_writes(kept: Place, tmp_path: Path) -> None:
    with writer_lock(kept.workspace.lock_file), pytest.raises(Busy):
        back_up(kept.workspace, tmp_path / "b.zip", {})
    assert not list(tmp_path.iterdir())


def test_a_damaged_release_is_not_backed_up(archive: Path, tmp_path: Path) -> None:
    workspace = Workspace(restore(archive, tmp_path / "new", {}).workspace)
    adapter = next(path for path in workspace.adapters.rglob("*.safetensors"))
    data = bytearray(adapter.read_bytes())
    data[-1] ^= 1
    adapter.chmod(0o600)
    adapter.write_bytes(data)
    with pytest.raises(LoragError, match="adapter"):
        back_up(workspace, tmp_path / "b.zip", {})
    assert not (tmp_path / "b.zip").exists()


def test_the_rest_of_an_interrupted_restore_is_cleared(archive: Path, tmp_path: Path) -> None:
    left = tmp_path / ".new.restoring"
    shutil.copytree(archive.parent, left)
    (tmp_path / "new").mkdir()
    restored = restore(archive, tmp_path / "new", {})
    assert not left.exists() and not list(restored.workspace.glob("*.zip"))
