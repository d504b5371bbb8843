"""The writer lock: one holder, and patience where it is asked for; and folders that are synced as a whole."""

import threading
import time
from pathlib import Path

import pytest

from lorag.errors import Busy
from lorag.releases.durable import naming, sync_tree, writer_lock


def test_the_lock_is_waited_for_no_longer_than_asked(tmp_path: Path) -> None:
    path = tmp_path / "writer.lock"
    held, give_back = threading.Event(), threading.Event()

    def hold() -> None:
        with writer_lock(path):
            held.set()
            give_back.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    with pytest.raises(Busy), writer_lock(path):
        pass
    began = time.monotonic()
    with pytest.raises(Busy), writer_lock(path, wait_s=0.5):
        pass
    assert time.monotonic() - began >= 0.5
    threading.Timer(0.5, give_back.set).start()
    with writer_lock(path, wait_s=60):
        pass
    holder.join()


def test_a_file_that_cannot_be_synced_is_an_error(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / str(number)).write_text("data")
    sync_tree(tmp_path)
    (tmp_path / "gone").symlink_to("nothing")
    with pytest.raises(FileNotFoundError, match="gone"):
        sync_tree(tmp_path)


def test_an_error_of_the_disk_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with pytest.raises(OSError, match="No space left on device: '.*record.json'"), naming(path):
        # Every write to this device ends as on a full disk.
        Path("/dev/full").write_text("data")
