"""The word index beside a served release: checked by `lorag doctor`, and made again where it is gone."""

import shutil

from lorag.use_cases.serve.manage_releases import check_releases
from tests.use_cases.conftest import Place


def problems(place: Place) -> list[str]:
    return [check.problem for check in check_releases(place.workspace, place.params, {}) if check.problem]


def test_doctor_finds_damaged_words_and_says_how_to_get_new_ones(served: Place) -> None:
    assert problems(served) == []
    folder = served.workspace.state / "words"
    (file,) = folder.glob("*.words")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    (problem,) = problems(served)
    assert "damaged words" in problem and f"delete {folder}; the next search makes it again" in problem
    shutil.rmtree(folder)
    assert problems(served) == []
