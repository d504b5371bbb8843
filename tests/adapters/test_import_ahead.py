import subprocess
import sys


def test_what_a_refresh_imports_late_is_there_when_the_thread_ends() -> None:
    script = (
        "import os, sys; from lorag.adapters.import_ahead import _SLOW, import_ahead; import_ahead().join();"
        "print([name for name in _SLOW if name not in sys.modules], os.environ['MLFLOW_DISABLE_TELEMETRY'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[] true"
