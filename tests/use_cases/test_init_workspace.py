"""Where a workspace may not be made."""

from pathlib import Path

import pytest

from lorag.errors import WorkspaceError
from lorag.use_cases.init_workspace import init_workspace


def test_a_workspace_is_not_made_inside_another_one(tmp_path: Path) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    (source / "pier.md").write_text("# Pier\n\nThe lamp is lit at 8:30.\n")
    outer = init_workspace(tmp_path / "outer", source, None).root
    for inner in (outer / "inner", outer / "data" / "inner"):
        with pytest.raises(WorkspaceError, match="holds this folder") as refused:
            init_workspace(inner, source, None)
        assert str(outer) in refused.value.what and not inner.exists()
    assert init_workspace(outer / ".lorag" / "walk", source, None), "what git ignores is no part of it"
