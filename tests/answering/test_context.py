from lorag.answering.context import condense as condense_passages
from lorag.knowledge.documents import Chunk

HARBOUR = Chunk(
    "c1", "h.md", "Harbour", "It is old. The harbour was opened in 1874. Ilse Brandt designed it. Gulls nest."
)
PRICES = Chunk("c2", "p.md", "Prices", "ticket | price\nadult | 12 euros\nchild | 5 euros")
MILL = Chunk("c3", "m.md", "", "The mill grinds rye.")


def condense(question: str, chunks: list[Chunk], most: int) -> list[str]:
    return [passage.text for passage in condense_passages(question, chunks, most)]


def test_the_closest_sentences_stay_in_text_order_under_their_headings() -> None:
    question = "Who designed the harbour that was opened in 1874?"
    assert condense(question, [HARBOUR, MILL], 2) == [
        "Harbour\nThe harbour was opened in 1874. Ilse Brandt designed it."
    ]


def test_rows_keep_their_lines() -> None:
    assert condense("What does an adult ticket price and a child cost?", [PRICES], 3) == [f"Prices\n{PRICES.text}"]


def test_enough_sentences_leave_nothing_out() -> None:
    assert condense("x", [HARBOUR, MILL], 99) == [HARBOUR.embedded_text, MILL.text]


def test_without_a_shared_word_the_best_chunk_is_kept() -> None:
    assert condense("Wie alt?", [MILL, HARBOUR], 1) == [MILL.text]
