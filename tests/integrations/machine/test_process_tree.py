import os
import signal
import subprocess
import sys

import psutil

CHILD = """
import os, sys, time
from lorag.integrations.dvc.dvc_repo import end_with_caller
end_with_caller()
print(os.getpid(), flush=True)
time.sleep(600)
"""
PARENT = """
import os, subprocess, sys
os.environ["LORAG_STAGE_CALLER"] = str(os.getpid())
subprocess.run(["/bin/sh", "-c", '"$0" -c "$1"; true', sys.executable, sys.argv[1]])
"""


def test_what_a_killed_process_started_by_a_shell_does_not_go_on() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        assert child.is_running()
        os.kill(process.pid, signal.SIGKILL)
        assert psutil.wait_procs([child], timeout=20)[1] == []
