"""A checkpoint is whole, of this run, or none."""

from pathlib import Path

import pytest
import torch

from lorag.integrations.lora.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from lorag.tuning.report import EpochResult

GROUPS = ("weight", "best", "exp_avg", "exp_avg_sq", "step")
STATE = Checkpoint("digest", [1.5, 0.1 + 0.2], (EpochResult(1, 1.5, 0.7, 0.25), EpochResult(2, 0.3)), 1)


def write(path: Path, state: Checkpoint = STATE) -> dict[str, dict[str, torch.Tensor]]:
    tensors = {group: {"a.b/c": torch.randn(3, 2), "d": torch.randn(())} for group in GROUPS}
    write_checkpoint(path, state, tensors)
    return tensors


def test_it_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    path = tmp_path / "new" / "checkpoint.safetensors"
    tensors = write(path)
    found = read_checkpoint(path, "digest")
    assert found is not None
    assert found[0] == STATE
    for group, named in tensors.items():
        assert found[1][group].keys() == named.keys()
        assert all(torch.equal(found[1][group][name], tensor) for name, tensor in named.items())
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_there_may_be_no_best_epoch(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    write_checkpoint(path, STATE, {"weight": {"a": torch.ones(2)}, "best": {}})
    found = read_checkpoint(path, "digest")
    assert found is not None
    assert found[1]["best"] == {}


def test_none_where_there_is_no_file_or_another_run(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    assert read_checkpoint(path, "digest") is None
    write(path)
    assert read_checkpoint(path, "another") is None


@pytest.mark.parametrize("keep", [0, 4, 40, 0.5, 0.99])
def test_a_cut_file_is_none(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "checkpoint"
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    assert read_checkpoint(path, "digest") is None


def test_a_process_killed_while_writing_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    write(path)
    before = path.read_bytes()
    path.with_name(f".{path.name}.tmp").write_bytes(before[:100])
    assert read_checkpoint(path, "digest") is not None
    write(path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
