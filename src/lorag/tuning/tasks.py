"""Pairs that teach tasks on the documents, made from the documents alone."""

import re
from collections.abc import Mapping, Sequence

from lorag.answering.citations import spans_of
from lorag.answering.generator import Message, Role
from lorag.knowledge.documents import BlockKind, Chunk, Document
from lorag.questions.facts import Fact
from lorag.questions.words import occurrences
from lorag.tuning.pairs import Pair, PairSource

_MIN_WORDS = 8
_READ_CHARACTERS = 2_000


def text_pairs(chunks: Sequence[Chunk], versions: Mapping[str, str]) -> list[Pair]:
    """Return a plain-text pair for each chunk with its headings."""
    return [
        Pair(PairSource.TEXT, (), chunk.embedded_text, None, _of(chunk, versions), (chunk.id,), "chunk")
        for chunk in chunks
    ]


def summarisation_pairs(documents: Sequence[Document]) -> list[Pair]:
    """Make pairs from a document without its first sentence to its title and that sentence.

    Authors often say in the first sentence what a page is about.
    """
    pairs = []
    for document in documents:
        paragraphs = [block.text for block in document.blocks if block.kind is BlockKind.PARAGRAPH]
        opening = next((text for text in paragraphs if _is_prose(text)), None)
        if opening is None:
            continue
        start, end = next(spans_of(opening))
        sentence = " ".join(opening[start:end].split())
        body = document.text.replace(opening, opening[end:].strip(), 1)[:_READ_CHARACTERS]
        messages = _prompt("Summarise the text in one sentence, with a title.", body)
        answer = f"{document.title}: {sentence}"
        pairs.append(
            Pair(
                PairSource.SUMMARISATION, messages, answer, None, {document.id: document.version}, (), "first sentence"
            )
        )
    return pairs


def classification_pairs(documents: Sequence[Document]) -> list[Pair]:
    """Make pairs from a document to its top folder, or its metadata `category`; none if there are not two classes."""
    labelled = [(document, label) for document in documents if (label := _label(document))]
    labels = sorted({label for _, label in labelled})
    if len(labels) < 2:
        return []
    task = f"To which of these does the text belong: {', '.join(labels)}?"
    return [
        Pair(
            PairSource.CLASSIFICATION,
            _prompt(task, document.text[: _READ_CHARACTERS // 2]),
            label,
            None,
            {document.id: document.version},
            (),
            "folder" if "/" in document.id else "category",
        )
        for document, label in labelled
    ]


def extraction_pairs(facts: Sequence[Fact], chunks: Sequence[Chunk], versions: Mapping[str, str]) -> list[Pair]:
    """Make pairs from a chunk to the values in it that questions ask for, one a line, in the order of the text."""
    pairs = []
    for chunk in chunks:
        found = {
            fact.answer: place[0]
            for fact in facts
            if fact.literal and chunk.document_id in fact.documents
            for place in list(occurrences(chunk.text, fact.answer))[:1]
        }
        if found:
            messages = _prompt("List the facts that the text states, one on each line.", chunk.embedded_text)
            answer = "\n".join(sorted(found, key=lambda value: (found[value], value)))
            own = _of(chunk, versions)
            pairs.append(Pair(PairSource.EXTRACTION, messages, answer, None, own, (chunk.id,), "asked values"))
    return pairs


def _prompt(task: str, text: str) -> tuple[Message, ...]:
    return (Message(Role.SYSTEM, "You work on the text that is given."), Message(Role.USER, f"Text:\n{text}\n\n{task}"))


def _is_prose(text: str) -> bool:
    # "Owner: ..." and "Reviewed: ..." begin many pages and do not say what they are about.
    return len(text.split()) >= _MIN_WORDS and not re.match(r"[\w ]{1,20}:", text)


def _label(document: Document) -> str | None:
    if "/" in document.id:
        return document.id.split("/", 1)[0]
    return document.metadata.get("category")


def _of(chunk: Chunk, versions: Mapping[str, str]) -> dict[str, str]:
    return {chunk.document_id: versions[chunk.document_id]}
