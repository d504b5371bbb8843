import threading
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lorag.digests import sha256_hex
from lorag.errors import GateRefused
from lorag.retrieval.embed import EmbeddingCount, embed_texts, embed_whole, plan_batches


class DictCache:
    def __init__(self) -> None:
        self.values: dict[tuple[str, str], bytes] = {}

    def get_many(self, namespace: str, keys: Sequence[str]) -> dict[str, bytes]:
        return {key: self.values[namespace, key] for key in keys if (namespace, key) in self.values}

    def put_many(self, namespace: str, values: Iterable[tuple[str, bytes]]) -> None:
        self.values.update({(namespace, key): value for key, value in values})


class WordEmbedder:
    """One token a word; a unit vector that its text alone decides, last bits apart, which the batch decides."""

    fingerprint = "f" * 64
    dimension = 4
    max_tokens = 8
    backend = "fake"

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.batches.append(list(texts))
        seeds = [int(sha256_hex(text.encode("utf-8", "surrogatepass"))[:8], 16) for text in texts]
        rows = np.array([np.random.default_rng(seed).normal(size=4) for seed in seeds]) + 1e-6 * len(texts)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class BrokenEmbedder(WordEmbedder):
    def __init__(self, bad: str, row: Sequence[float]) -> None:
        super().__init__()
        self.bad, self.row = bad, row

    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = super().embed_batch(texts)
        for i, text in enumerate(texts):
            if text == self.bad:
                rows[i] = self.row
        return rows


TEXTS = ["one", "two words", "three words here", "four words are here", "five of them are here"]


@given(st.lists(st.integers(1, 300), max_size=200), st.integers(1, 2000))
def test_batches_hold_every_text_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = plan_batches(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
    longest = [lengths[batch[0]] for batch in batches]
    assert longest == sorted(longest, reverse=True)


def test_length_sorted_batches_waste_little() -> None:
    lengths = np.random.default_rng(7).integers(20, 200, 1000).tolist()
    padded = sum(len(batch) * lengths[batch[0]] for batch in plan_batches(lengths, 4096))
    assert padded < 1.05 * sum(lengths)


def test_rows_are_in_the_order_of_the_texts() -> None:
    together, _ = embed_texts(TEXTS, WordEmbedder(), DictCache(), batch_tokens=6)
    for text, row in zip(TEXTS, together, strict=True):
        alone, _ = embed_texts([text], WordEmbedder(), DictCache(), batch_tokens=6)
        np.testing.assert_allclose(row, alone[0], atol=1e-4)
    assert together.shape == (5, 4) and together.dtype == np.float32


def test_equal_texts_are_embedded_once() -> None:
    embedder = WordEmbedder()
    vectors, count = embed_texts(["a b", "c", "a b", "a b"], embedder, DictCache(), batch_tokens=100)
    assert count == EmbeddingCount(n_embedded=2, n_cached=2, n_tokens=3)
    assert sorted(text for batch in embedder.batches for text in batch) == ["a b", "c"]
    assert vectors[0].tobytes() == vectors[2].tobytes() == vectors[3].tobytes()


def test_cached_texts_are_not_embedded_again_and_keep_every_bit() -> None:
    cache = DictCache()
    before, _ = embed_texts(TEXTS[:3], WordEmbedder(), cache, batch_tokens=100)
    embedder = WordEmbedder()
    after, count = embed_texts(TEXTS, embedder, cache, batch_tokens=100)
    assert count == EmbeddingCount(n_embedded=2, n_cached=3, n_tokens=9)
    assert embedder.batches == [["five of them are here", "four words are here"]]
    assert after[:3].tobytes() == before.tobytes()


def test_vectors_of_another_embedder_are_not_taken() -> None:
    cache = DictCache()
    embed_texts(TEXTS, WordEmbedder(), cache, batch_tokens=100)
    other = WordEmbedder()
    other.fingerprint = "e" * 64
    _, count = embed_texts(TEXTS, other, cache, batch_tokens=100)
    assert count.n_embedded == 5


def test_a_cached_vector_of_wrong_size_is_computed_again() -> None:
    cache = DictCache()
    embed_texts(["one"], WordEmbedder(), cache, batch_tokens=100)
    cache.values = {key: value[:-1] for key, value in cache.values.items()}
    _, count = embed_texts(["one"], WordEmbedder(), cache, batch_tokens=100)
    assert count.n_embedded == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([np.nan, 0, 0, 1], "length nan"),
        ([np.inf, 0, 0, 0], "length inf"),
        ([0, 0, 0, 0], "length 0,"),
        ([0, 3, 0, 0], "length 3,"),
    ],
)
def test_a_bad_vector_is_refused_and_nothing_of_its_batch_is_cached(row: list[float], said: str) -> None:
    cache = DictCache()
    with pytest.raises(GateRefused, match=said) as caught:
        embed_texts(TEXTS, BrokenEmbedder("two words", row), cache, batch_tokens=100, names=list("abcde"))
    assert caught.value.where.startswith("b,")
    assert not cache.values


def test_the_batches_before_a_bad_one_stay() -> None:
    cache = DictCache()
    with pytest.raises(GateRefused, match="text 1 of 5, 'one'"):
        embed_texts(TEXTS, BrokenEmbedder("one", [0, 0, 0, 0]), cache, batch_tokens=5)
    _, count = embed_texts(TEXTS, WordEmbedder(), cache, batch_tokens=5)
    assert count.n_embedded < 5


def test_two_batches_are_computed_at_a_time_and_stay_in_order() -> None:
    class Meeting(WordEmbedder):
        both_there = threading.Barrier(2, timeout=20)

        def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
            self.both_there.wait()
            return super().embed_batch(texts)

    embedder = Meeting()
    vectors, _ = embed_texts(TEXTS[:4], embedder, DictCache(), batch_tokens=1)
    assert len(embedder.batches) == 4
    alone, _ = embed_texts(TEXTS[:4], WordEmbedder(), DictCache(), batch_tokens=1)
    assert np.array_equal(vectors, alone)


def test_vectors_of_wrong_shape_are_refused() -> None:
    class Short(WordEmbedder):
        def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return super().embed_batch(texts)[:, :3]

    with pytest.raises(GateRefused, match="shape"):
        embed_texts(TEXTS, Short(), DictCache(), batch_tokens=100)


def test_progress_counts_every_text() -> None:
    done: list[int] = []
    cache = DictCache()
    embed_texts(["one"], WordEmbedder(), cache, batch_tokens=4)
    embed_texts(["one", *TEXTS, "two words"], WordEmbedder(), cache, batch_tokens=4, progress=done.append)
    assert sum(done) == 7
    assert done[0] == 2


def test_batches_may_be_computed_elsewhere_and_end_in_any_order() -> None:
    def backwards(batches: Sequence[Sequence[str]]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        for position in reversed(range(len(batches))):
            yield position, WordEmbedder().embed_batch(batches[position])

    here, _ = embed_texts(TEXTS, WordEmbedder(), DictCache(), batch_tokens=6)
    there, count = embed_texts(TEXTS, WordEmbedder(), DictCache(), batch_tokens=6, compute=backwards)
    assert there.tobytes() == here.tobytes()
    assert count.n_embedded == 5


def test_what_was_computed_elsewhere_is_cached_before_the_rest_fails() -> None:
    def breaking(batches: Sequence[Sequence[str]]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        yield 1, WordEmbedder().embed_batch(batches[1])
        raise RuntimeError("the cluster is gone")

    cache = DictCache()
    with pytest.raises(RuntimeError, match="gone"):
        embed_texts(TEXTS, WordEmbedder(), cache, batch_tokens=1, compute=breaking)
    _, count = embed_texts(TEXTS, WordEmbedder(), cache, batch_tokens=1)
    assert count == EmbeddingCount(n_embedded=4, n_cached=1, n_tokens=11)


def test_no_texts_give_no_rows() -> None:
    vectors, count = embed_texts([], WordEmbedder(), DictCache(), batch_tokens=100)
    assert vectors.shape == (0, 4)
    assert count == EmbeddingCount(0, 0, 0)


def test_a_lone_surrogate_is_a_text_like_any_other() -> None:
    _, count = embed_texts(["bad \ud800"], WordEmbedder(), DictCache(), batch_tokens=100)
    assert count.n_embedded == 1


def test_strangers_17_a_text_that_is_longer_than_the_embedder_reads_has_the_mean_of_its_parts() -> None:
    embedder = WordEmbedder()
    long = " ".join(f"word{number}" for number in range(30))
    whole = embed_whole([TEXTS[0], long, TEXTS[4]], embedder, embedder.embed_batch)
    parts = [text for text in embedder.batches[0] if text not in TEXTS]
    assert "".join(parts) == long and all(len(part.split()) <= embedder.max_tokens for part in parts)
    assert np.linalg.norm(whole, axis=1) == pytest.approx([1, 1, 1], abs=1e-6)
    alone = embedder.embed_batch(embedder.batches[0])
    assert whole[[0, 2]] == pytest.approx(alone[[0, -1]])
    assert whole[1] @ alone[1:-1].mean(axis=0) == pytest.approx(np.linalg.norm(alone[1:-1].mean(axis=0)), rel=1e-5)


def test_strangers_17_a_text_without_blanks_is_cut_too() -> None:
    class LetterEmbedder(WordEmbedder):
        def count_tokens(self, texts: Sequence[str]) -> list[int]:
            return [len(text) for text in texts]

    embedder = LetterEmbedder()
    assert embed_whole(["x" * 50, ""], embedder, embedder.embed_batch).shape == (2, 4)
    assert "".join(embedder.batches[0]) == "x" * 50
