from pathlib import Path

import pytest

from lorag.errors import InputRejected
from lorag.tuning.style import StyledAnswer, read_style

BAD = {
    "another key": '{"question": "Hello?", "answer": "Ahoy.", "voice": "sea"}',
    "no answer": '{"question": "Hello?"}',
    "an empty answer": '{"question": "Hello?", "answer": "  "}',
    "a number": '{"question": "Hello?", "answer": 7}',
    "half a line": '{"question": "Hello?", "ans',
    "too large a number": '{"question": "Hello?", "answer": 1e400}',
}


def test_a_style_set_is_read_in_order(tmp_path: Path) -> None:
    file = tmp_path / "style.jsonl"
    file.write_text('{"question": "Hello?", "answer": "Ahoy."}\n\n{"question": "Bye?", "answer": "Fair winds."}\n')
    assert read_style(file) == [StyledAnswer("Hello?", "Ahoy."), StyledAnswer("Bye?", "Fair winds.")]


@pytest.mark.parametrize("case", BAD)
def test_a_bad_line_is_named(case: str, tmp_path: Path) -> None:
    file = tmp_path / "style.jsonl"
    file.write_text('{"question": "Hello?", "answer": "Ahoy."}\n' + BAD[case] + "\n")
    with pytest.raises(InputRejected, match="style.jsonl:2"):
        read_style(file)
