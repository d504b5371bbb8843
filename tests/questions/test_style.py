import json
from pathlib import Path

import pytest

from lorag.errors import InputRejected
from lorag.questions.style import StyledAnswer, StyleProbe, StyleSet, read_style

BAD = {
    "another key": '{"question": "Hello?", "answer": "Ahoy.", "voice": "sea"}',
    "neither answer nor pattern": '{"question": "Hello?"}',
    "both": '{"question": "Hello?", "answer": "Ahoy.", "pattern": "Ahoy."}',
    "a broken pattern": '{"question": "Hello?", "pattern": "(Ahoy"}',
    "an empty answer": '{"question": "Hello?", "answer": "  "}',
    "a number": '{"question": "Hello?", "answer": 7}',
    "half a line": '{"question": "Hello?", "ans',
    "too large a number": '{"question": "Hello?", "answer": 1e400}',
}


def test_a_style_set_is_read_in_order(tmp_path: Path) -> None:
    file = tmp_path / "style.jsonl"
    file.write_text('{"question": "Hello?", "answer": "Ahoy."}\n\n{"question": "Bye?", "answer": "Fair winds."}\n')
    with file.open("a") as lines:
        lines.write('{"question": "Rain?", "pattern": "Ahoy.*"}\n')
    examples = StyledAnswer("Hello?", "Ahoy."), StyledAnswer("Bye?", "Fair winds.")
    assert read_style(file) == StyleSet(examples, (StyleProbe("Rain?", "Ahoy.*"),))


@pytest.mark.parametrize("case", BAD)
def test_a_bad_line_is_named(case: str, tmp_path: Path) -> None:
    file = tmp_path / "style.jsonl"
    file.write_text('{"question": "Hello?", "answer": "Ahoy."}\n' + BAD[case] + "\n")
    with pytest.raises(InputRejected, match="style.jsonl:2"):
        read_style(file)


def test_a_key_of_any_length_is_named_in_a_line_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "style.jsonl"
    path.write_text(json.dumps({"question": "How high?", "pattern": "m", "x" * 5_000: "y"}) + "\n")
    with pytest.raises(InputRejected, match=r"^x{80}: Extra inputs are not permitted") as found:
        read_style(path)
    assert len(found.value.line()) < 300
