import subprocess
import sys
from pathlib import Path

import pytest

from lorag.errors import InputRejected
from lorag.integrations.models.embedder_tokenizer import EmbedderTokenizer, load_token_counter


def test_long_texts_are_counted_whole_and_short_ones_unpadded(tokens: EmbedderTokenizer) -> None:
    """The file that ships with the model truncates and pads to 128."""
    assert tokens.count("") == 2
    assert tokens.count("word " * 1_000) == 1_002
    assert tokens.count_many(["word", "word word"]) == [3, 4]


def test_offsets_are_characters_of_the_text(tokens: EmbedderTokenizer) -> None:
    text = "Größe 😀 scaling\ud800"
    spans = tokens.offsets(text)
    assert [text[start:end] for start, end in spans][-1] == "scaling"
    assert len(spans) == tokens.count(text) - 2


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRejected, match="tokenizer.json"):
        load_token_counter(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputRejected, match="not a tokenizer"):
        load_token_counter(tmp_path)


def test_counting_needs_no_model_library() -> None:
    code = (
        "import sys, lorag.knowledge.chunking, lorag.integrations.models.embedder_tokenizer;"
        "sys.exit(bool({'torch', 'transformers', 'openvino', 'mlflow'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
