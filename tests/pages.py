"""A small knowledge base in memory: pages, chunks, questions and facts, for the tests that ask for them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from lorag.knowledge.documents import Block, BlockKind, Chunk, Document
from lorag.params import Params
from lorag.params_file import load_params
from lorag.questions.facts import Fact, collect_facts
from lorag.questions.questions import Question


def _document(name: str, title: str, *texts: str) -> Document:
    return Document(name, title, tuple(Block(BlockKind.PARAGRAPH, text) for text in texts), sources=(name,))


@pytest.fixture
def documents() -> list[Document]:
    """Four pages of a harbour, three of which state facts that questions ask for."""
    return [
        _document("harbour/berths.md", "Berths", "Berth 4 is 7.2 metres deep at low water. It has two bollards."),
        _document("harbour/people.md", "People", "The harbour master is Wenna Thrale. The pilot is Casimir Holt."),
        _document("fleet/ships.md", "Ships", "The Grey Aunt draws 2.1 metres and sails at 06:25."),
        _document("fleet/paint.md", "Paint", "Hulls are painted in the spring, when it is dry."),
    ]


@pytest.fixture
def chunks(documents: Sequence[Document]) -> list[Chunk]:
    return [Chunk(f"c-{document.id}", document.id, document.title, document.text) for document in documents]


@pytest.fixture
def questions() -> list[Question]:
    rows = [
        ("depth", "How deep is berth 4?", ("7.2 metres", "7.2 m"), "harbour/berths.md"),
        ("draught", "How deep is the Grey Aunt in the water?", ("2.1 metres",), "fleet/ships.md"),
        ("master", "Who is the harbour master?", ("Wenna Thrale",), "harbour/people.md"),
        ("pilot", "Who is the pilot?", ("Casimir Holt",), "harbour/people.md"),
    ]
    return [
        Question(
            id=f"q-{fact}",
            question=text,
            answers=answers,
            gold_doc_ids=(gold,),
            fact_id=fact,
            phrasings=(f"Please say: {text}",),
            held_out_phrasings=(f"Held out, {text}", f"Kept for the gate, {text}"),
        )
        for fact, text, answers, gold in rows
    ]


@pytest.fixture
def facts(questions: Sequence[Question], documents: Sequence[Document], chunks: Sequence[Chunk]) -> list[Fact]:
    return collect_facts(questions, documents, chunks)[0]


@pytest.fixture(scope="session")
def params() -> Params:
    return load_params(Path(__file__).resolve().parents[1] / "params.yaml")
