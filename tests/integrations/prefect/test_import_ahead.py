import os
import subprocess
import sys


def test_what_a_refresh_imports_late_is_there_and_quiet_when_the_thread_ends() -> None:
    script = (
        "import os, sys; from lorag.integrations.prefect.import_ahead import FORKABLE, import_ahead;"
        "import_ahead().join();"
        "print([name for name in (*FORKABLE, 'lancedb') if name not in sys.modules]);"
        "print(os.environ['MLFLOW_DISABLE_TELEMETRY'], os.environ['LANCEDB_LOG'])"
    )
    without = {name: value for name, value in os.environ.items() if name != "LANCEDB_LOG"}
    done = subprocess.run([sys.executable, "-c", script], env=without, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "true error"]
