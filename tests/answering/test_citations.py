import pytest

from lorag.answering.citations import Citation, Support, find_support, is_verified, spans_of
from lorag.answering.passages import Passage, whole_passage
from lorag.knowledge.documents import Chunk

MUSEUM = Chunk(
    "c1",
    "museum.md",
    "Museum > Opening hours",
    "The museum opens at 9:00 on weekdays. On Sunday it opens at 11:30 and closes early. Entry costs 12 euros.",
)
TABLE = Chunk("c2", "prices.md", "Prices", "ticket | price\nadult | 12 euros\nchild | 5 euros")
LIST = Chunk(
    "c3", "rules.md", "Rules", "Rules of the house:\n- Bags go into a locker.\n- Photos are allowed\n- No food."
)
VERSIONS = {"museum.md": "v-museum", "prices.md": "v-prices", "rules.md": "v-rules"}


def whole(*chunks: Chunk) -> list[Passage]:
    return [whole_passage(chunk) for chunk in chunks]


def cited(answer: str, question: str = "", chunks: tuple[Chunk, ...] = (MUSEUM, TABLE, LIST)) -> list[str]:
    return [citation.quote for citation in find_support(answer, question, whole(*chunks), VERSIONS, 0.5).citations]


@pytest.mark.parametrize(
    ("answer", "question", "quotes"),
    [
        ("11:30", "When does it open on Sunday?", ["On Sunday it opens at 11:30 and closes early."]),
        ("It opens at 10:00 on weekdays.", "", []),  # the words are there, the number is not
        ("5 euros for a child", "", ["child | 5 euros"]),
        ("Bags go into a locker", "", ["- Bags go into a locker."]),
        ("The Eiffel Tower in Paris", "", []),
        ("yes", "Is it open?", []),  # nothing in it that a passage could hold
        ("", "", []),
        ("12 euros", "What does entry to the museum cost?", ["Entry costs 12 euros."]),  # the question breaks the tie
        ("12 euros", "What is the price for an adult?", ["adult | 12 euros"]),
        ("Opening hours start at 9:00", "", ["The museum opens at 9:00 on weekdays."]),  # headings count in
    ],
)
def test_the_shortest_supporting_span_is_cited(answer: str, question: str, quotes: list[str]) -> None:
    assert cited(answer, question) == quotes


def test_each_sentence_gets_its_own_citation_once() -> None:
    support = find_support(
        "It opens at 9:00 on weekdays. Entry costs 12 euros. Entry costs 12 euros.",
        "",
        whole(MUSEUM),
        VERSIONS,
        0.5,
    )
    assert [citation.quote for citation in support.citations] == [
        "The museum opens at 9:00 on weekdays.",
        "Entry costs 12 euros.",
    ]
    assert support.complete


def test_one_unsupported_sentence_makes_the_support_incomplete() -> None:
    support = find_support("Entry costs 12 euros. The owner is Napoleon.", "", whole(MUSEUM), VERSIONS, 0.5)
    assert [citation.quote for citation in support.citations] == ["Entry costs 12 euros."]
    assert not support.complete


def test_a_tie_goes_to_the_better_ranked_chunk() -> None:
    other = Chunk("c9", "prices.md", "", "Entry costs 12 euros.")
    assert find_support("12 euros", "", whole(other, MUSEUM), VERSIONS, 0.5).citations[0].chunk_id == "c9"


def test_quotes_are_literal_and_carry_the_document_version() -> None:
    (citation,) = find_support("closes early on Sunday", "", whole(MUSEUM), VERSIONS, 0.5).citations
    assert MUSEUM.text[citation.start : citation.end] == citation.quote
    assert citation.document_version == "v-museum"
    assert is_verified(citation, MUSEUM)


@pytest.mark.parametrize(
    "forged",
    [
        Citation("museum.md", "v", "c1", "Entry is free.", 0, 14),
        Citation("other.md", "v", "c1", MUSEUM.text[0:10], 0, 10),
        Citation("museum.md", "v", "c1", "", 5, 5),
        Citation("museum.md", "v", "c1", MUSEUM.text[-5:], -5, len(MUSEUM.text)),
    ],
)
def test_a_forged_citation_is_not_verified(forged: Citation) -> None:
    assert not is_verified(forged, MUSEUM)


@pytest.mark.parametrize(
    "text",
    [
        MUSEUM.text,
        TABLE.text,
        LIST.text,
        "  \n\n a \n\n\n b. C d? \u201cE f.\u201d G \n",
        "",
        "no end",
        "6\u00bd sacks.  Next.",
    ],
)
def test_spans_cover_every_letter_in_order(text: str) -> None:
    spans = list(spans_of(text))
    assert all(start < end and text[start:end] == text[start:end].strip() for start, end in spans)
    assert all(left[1] <= right[0] for left, right in zip(spans, spans[1:], strict=False))
    assert "".join("".join(text[start:end] for start, end in spans).split()) == "".join(text.split())


def test_a_wrapped_sentence_stays_in_one_span() -> None:
    assert [end - start for start, end in spans_of("A sentence that\ngoes on in line two.")] == [36]


def test_only_what_was_read_is_cited() -> None:
    start = MUSEUM.text.index("On Sunday")
    read = Passage(MUSEUM, ((start, MUSEUM.text.index(" Entry")),))
    assert read.text == "Museum > Opening hours\nOn Sunday it opens at 11:30 and closes early."
    assert find_support("12 euros", "", [read], VERSIONS, 0.5).citations == ()
    (citation,) = find_support("11:30", "", [read], VERSIONS, 0.5).citations
    assert citation.quote == "On Sunday it opens at 11:30 and closes early."


def test_a_path_of_headings_is_no_answer() -> None:
    limits = Chunk(
        "c7", "limits.md", "Datadog > REST API > Polling intervals", "The scaler polls the API every 30 seconds."
    )
    assert find_support(
        limits.context + ".", "How often is it polled?", whole(limits), {"limits.md": "1"}, 0.5
    ) == Support((), (), complete=False)


@pytest.mark.parametrize(
    "sentences",
    [
        ["Jean Ribault charted the St. Johns River.", "It was long."],
        ["William E. Simon was the first administrator.", "He left."],
        ["She met the U.S. Army.", "We met in the U.S.", "The army left."],
        ["Take vitamin C.", "The dose is 5.", "See No. 4 and Fig. 3.", "End."],
        ["Is it allowed?", "No.", "You may not, e.g. Sundays."],
        ["It is 7.2 m.", "Next, i.e. Monday."],
    ],
)
def test_a_sentence_does_not_end_at_an_abbreviation_or_an_initial(sentences: list[str]) -> None:
    text = " ".join(sentences)
    assert [text[start:end] for start, end in spans_of(text)] == sentences
