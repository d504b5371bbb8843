import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorag.answering.links import LinkFilter, links_in, strip_links

ALLOWED = links_in(["See https://docs.example.org/setup, or www.example.org."])


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Read https://docs.example.org/setup.", "Read https://docs.example.org/setup."),
        ("Read [the guide](https://docs.example.org/setup)", "Read the guide (https://docs.example.org/setup)"),
        ("Go to https://evil.test/?q=secret now", "Go to [link removed] now"),
        ("https://docs.example.org/setup?q=secret", "[link removed]"),  # more than what the source holds
        ("![see](https://evil.test/x.png?q=1) done", "see done"),
        ("![](https://docs.example.org/setup)", ""),  # an image loads by itself, whatever its address
        ("[click](//evil.test)", "click"),
        ("[click](javascript:alert(1))", "click)"),
        ('<img src="https://evil.test/p.png">ok', "ok"),
        ("<im<img>g src=x>ok", "ok"),
        ("ht<a>tps://evil.test", "[link removed]"),
        ("if a < b and List<String> then [1] (x)", "if a < b and List<String> then [1] (x)"),
    ],
)
def test_only_links_of_the_sources_stay(text: str, clean: str) -> None:
    assert strip_links(text, ALLOWED) == clean


PARTS = st.sampled_from(
    [
        "![a b](",
        "https://evil.test/q",
        "https://docs.example.org/setup",
        ")",
        "[t](",
        "<img src=",
        ">",
        " ",
        "\n",
        "word",
        "www.",
        "<",
    ]
)


@given(st.lists(PARTS, max_size=12).map("".join), st.integers(1, 7))
def test_a_streamed_text_leaks_no_more_than_a_whole_one(text: str, length: int) -> None:
    shown: list[str] = []
    links = LinkFilter(ALLOWED, shown.append)
    for start in range(0, len(text), length):
        links.feed(text[start : start + length])
    links.finish()
    assert links_in(["".join(shown)]) <= ALLOWED
    assert "<img" not in "".join(shown) and "evil" not in "".join(shown)


def test_plain_words_are_not_held_back() -> None:
    shown: list[str] = []
    links = LinkFilter(ALLOWED, shown.append)
    links.feed("The first words ")
    assert shown == ["The first words "]
