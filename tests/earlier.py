"""A workspace as version 0.1.0 left it; tests/fixtures/README.md says what it holds."""

import tarfile
from pathlib import Path

from lorag.workspace import Workspace

FIXTURES = Path(__file__).parent / "fixtures"


def unpack_workspace(folder: Path) -> Workspace:
    """The workspace in a folder of its own below `folder`."""
    with tarfile.open(FIXTURES / "workspace_0_1_0.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return Workspace(folder.resolve() / "workspace")
