"""The process that several stages share: it does what a process for each would do, and ends with its caller."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, sys
from lorag.integrations.dvc import stage_process
def run(arguments):
    if arguments == ["dies"]:
        os._exit(9)
    print(arguments, os.getcwd(), os.environ.get("DVC_STAGE"), os.getpid() != caller, flush=True)
    return len(arguments) - 1
caller = os.getpid()
stage_process.fork_stage_process(run)
process = stage_process._started[0]
here = sys.argv[1]
print(process.run(["documents"], here, {"DVC_STAGE": "documents"}))
print(process.run(["answers", "rag"], here, {}))
print(process.run(["dies"], here, {}), stage_process._started)
"""


def test_stages_run_in_one_process_with_their_own_folder_and_environment(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, env={**os.environ, "DVC_STAGE": "other"}, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"['documents'] {tmp_path} documents True",
        "0",
        f"['answers', 'rag'] {tmp_path} None True",
        "1",
        "1 []",
    ], done.stderr
