"""Near duplicates by sketches, beside the exact Jaccard similarity of runs of five words."""

import random
import time

import pytest

from lorag.knowledge.near_duplicates import NEIGHBOURS, count_near_duplicates
from lorag.knowledge.sketches import BINS, KEYS, shingles, sketch_text

WORDS = [f"word{number}" for number in range(3_000)]


def similarity(left: str, right: str) -> float:
    one, other = set(shingles(left)), set(shingles(right))
    return len(one & other) / len(one | other)


def edited(text: str, chance: random.Random) -> str:
    """The text after a random number of edits, of which the most make it less than 0.85 alike."""
    words = text.split()
    for _ in range(chance.randrange(len(words) // 50 + 2)):
        at = chance.randrange(len(words))
        edit = chance.randrange(3)
        words[at : at + (edit != 0)] = [] if edit == 1 else [chance.choice(WORDS)]
    return " ".join(words)


@pytest.mark.parametrize("length", [12, 30, 120, 600])
def test_few_are_missed_and_few_are_false(length: int) -> None:
    chance = random.Random(length)
    texts = [" ".join(chance.choices(WORDS, k=length)) for _ in range(120)]
    others = [edited(text, chance) for text in texts]
    exact = [similarity(text, other) for text, other in zip(texts, others, strict=True)]
    found = count_near_duplicates([sketch_text(text) for text in (*texts, *others)])
    assert found[:120] == found[120:]
    alike = [count for value, count in zip(exact, found, strict=False) if value >= 0.93]
    different = [count for value, count in zip(exact, found, strict=False) if value < 0.85]
    assert len(alike) > 20 and len(different) > 15
    assert alike.count(1) >= 0.98 * len(alike) and different.count(0) >= 0.98 * len(different)


def test_each_text_has_the_number_of_the_others_that_are_nearly_the_same() -> None:
    chance = random.Random(1)
    pages = [" ".join(chance.choices(WORDS, k=200)) for _ in range(20)]
    poison = [f"{pages[3]} really {word}" for word in ("soon", "now", "later", "today", "often")]
    counts = count_near_duplicates([sketch_text(text) for text in (*pages, *poison, "", "!", "...")])
    assert counts == [0, 0, 0, 5, *[0] * 16, *[5] * 5, 0, 0, 0]


@pytest.mark.parametrize(
    ("left", "right", "is_near"),
    [
        ("Closed.", "closed", True),  # fewer than five words: all of them are compared
        ("Closed.", "Open.", False),
        ("The lamp of pier 3 is lit at 20:15", "The lamp of pier 4 is lit at 20:15", False),
        (
            "\u4f4e\u6f6e\u6642\u7684\u71c8\u4eae\u8d77\u4f86" * 2,
            "\u4f4e\u6f6e\u6642\u7684\u71c8\u7184\u6ec5\u4e86" * 2,
            False,
        ),
        (
            "\u4f4e\u6f6e\u6642\u7684\u71c8\u4eae\u8d77\u4f86" * 2,
            "\u4f4e\u6f6e\u6642\u7684\u71c8 \u4eae\u8d77\u4f86" * 2,
            True,
        ),
    ],
)
def test_short_texts(left: str, right: str, is_near: bool) -> None:
    assert count_near_duplicates([sketch_text(left), sketch_text(right)]) == [int(is_near)] * 2


def test_a_folder_of_one_template_is_not_flagged() -> None:
    texts = [f"The lamp of pier {pier} is lit at 20:15. It is seen for {pier % 7 + 3} miles." for pier in range(300)]
    assert count_near_duplicates([sketch_text(text) for text in texts]) == [0] * 300


def test_nothing_is_like_nothing() -> None:
    assert count_near_duplicates([]) == []
    assert count_near_duplicates([b""]) == [0]
    assert count_near_duplicates([sketch_text("one page alone")]) == [0]


def test_a_sketch_has_one_size_and_does_not_depend_on_the_process() -> None:
    assert len(sketch_text("one")) == len(sketch_text(" ".join(WORDS))) == 2 * (KEYS + BINS)
    assert sketch_text("The lamp of pier 3 is lit") == sketch_text("the LAMP, of pier 3: is lit!")


def test_thirty_thousand_are_compared_in_a_few_seconds_even_if_all_are_alike() -> None:
    chance = random.Random(2)
    distinct = [chance.randbytes(2 * (KEYS + BINS)) for _ in range(30_000)]
    started = time.process_time()
    assert sum(count_near_duplicates(distinct)) == 0
    # The second half of each sketch is that of a page from one template.
    half = KEYS + BINS
    counts = count_near_duplicates([distinct[0][:half] + sketch[half:] for sketch in distinct])
    assert sum(counts) == 0
    assert min(count_near_duplicates(distinct[:1] * 1_000)) >= NEIGHBOURS
    assert time.process_time() - started < 12  # the first alone takes less than 1 s on a quiet machine
