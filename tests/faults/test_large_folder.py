"""A folder of 30,000 files, and everything else that it may hold: memory is bounded, and nothing stops the rest."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.full, pytest.mark.slow, pytest.mark.timeout(2_400)]
N_FILES = 30_000
MOST_MB = 400
"""Whatever the folder holds: the text of all documents, the largest file that is read, and the libraries."""

CODE = """
import json, resource, sys, time
from pathlib import Path
from lorag.integrations.blob_cache import BlobCache
from lorag.params_file import load_params
from lorag.use_cases.init_workspace import template
from lorag.use_cases.refresh.pipeline import read_source
from lorag.use_cases.refresh.steps import _show_copying
from lorag.use_cases.refresh.snapshot_source import snapshot_folder

source, out = map(Path, sys.argv[1:])
params = load_params(template("params.yaml")).knowledge.model_copy(update={"max_file_bytes": 300_000_000})
took = [time.monotonic()]
copied = snapshot_folder(source, out / "copy", params, progress=_show_copying).copied
took.append(time.monotonic())
with BlobCache(out / "cache.sqlite") as cache:
    first = read_source(out / "copy", params, cache)
    took.append(time.monotonic())
    again = read_source(out / "copy", params, cache)
took.append(time.monotonic())
print(json.dumps({
    "copied": copied,
    "documents": len(first.documents),
    "same": [one.version for one in first.documents] == [one.version for one in again.documents],
    "rejected": {item.name: item.reason for item in first.rejected},
    "seconds": [round(end - start, 1) for start, end in zip(took, took[1:])],
    "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}))
"""


def plant(root: Path) -> None:
    for number in range(N_FILES):
        folder = root / f"d{number % 300:03}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"p{number}.md").write_text(f"# Pier {number}\n\nThe lamp of pier {number} is lit at sunset.\n")
    line = "The harbour office keeps a log of every vessel that enters the basin. " * 14 + "\n"
    with (root / "huge.md").open("w") as file:
        while file.tell() < 200_000_000:
            file.write(line * 1_000)
    with (root / "sparse.md").open("wb") as file:
        file.truncate(10 * 1024**3)
    os.mkfifo(root / "pipe.md")
    for name, target in {
        "d000/up": "..",
        "out.md": "/etc/hostname",
        "self.md": "self.md",
        "zero.md": "/dev/zero",
    }.items():
        (root / name).symlink_to(target)
    (root / "link.md").symlink_to("d001/p1.md")
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(root)
        server.bind("socket.md")
        os.chdir(before)


def test_a_large_folder_with_everything_in_it_that_changes_while_it_is_read(tmp_path: Path) -> None:
    source = tmp_path / "docs"
    plant(source)
    over = threading.Event()

    def change() -> None:
        number = 0
        while not over.is_set():
            (source / f"d{number % 300:03}" / f"p{number}.md").unlink(missing_ok=True)
            (source / "busy.md").write_text("# Busy\n\n" + "A line that grows.\n" * (number % 1_000 + 1))
            number = (number + 97) % N_FILES
            time.sleep(0.01)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        command = [sys.executable, "-c", CODE, str(source), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        over.set()
        changing.join()
    assert done.returncode == 0, done.stderr[-2_000:]

    found = json.loads(done.stdout)
    print(found["seconds"], found["mb"])
    assert found["same"] and found["mb"] < MOST_MB
    gone = sum(reason in ("changed_during_read", "unreadable") for reason in found["rejected"].values())
    assert 25_000 < found["documents"] <= N_FILES + 2 and found["documents"] + gone <= N_FILES + 2
    expected = {
        "huge.md": "parser_limit",
        "sparse.md": "too_large",
        "pipe.md": "not_regular",
        "socket.md": "not_regular",
        "zero.md": "not_regular",
        "d000/up": "symlink_loop",
        "self.md": "symlink_loop",
        "out.md": "outside_root",
    }
    assert {name: found["rejected"].get(name) for name in expected} == expected
    assert "Copying documents" in done.stderr, "it says how far it is"
