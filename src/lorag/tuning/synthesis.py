"""Questions that a language model makes of chunks, kept only where the chunk holds their answer."""

import re
from collections.abc import Mapping, Sequence

from lorag.answering.citations import spans_of
from lorag.answering.generator import LanguageModel, Message, Role
from lorag.digests import digest_of
from lorag.evaluation.questions import Question
from lorag.knowledge.documents import Chunk
from lorag.retrieval.embed import VectorCache
from lorag.tuning.facts import Fact, states

NAMESPACE = "synthetic"
"""Where the cache keeps what the model wrote."""

_MAX_NEW_TOKENS = 80
_MIN_SENTENCE_WORDS = 5
_MAX_ANSWER_WORDS = 12
_WRITTEN = re.compile(
    r"(?:question\s*:\s*)?(?P<question>[^\n?]{8,300}\?)\s*answer\s*:\s*(?P<answer>[^\n]+)", re.IGNORECASE
)


def synthesise_facts(
    chunks: Sequence[Chunk],
    versions: Mapping[str, str],
    per_chunk: int,
    generator: LanguageModel,
    cache: VectorCache,
    *,
    settings: str,
    seed: int,
) -> list[Fact]:
    """Up to `per_chunk` facts of each chunk, each asked of one of its sentences, which are drawn by hash.

    `settings` names whatever of the generator changes what it writes. Small models write much that is not kept.
    """
    asked = [(chunk, at, messages) for chunk in chunks for at, messages in _prompts(chunk, per_chunk, seed)]
    keys = [digest_of([generator.model_sha256, settings, _plain(messages)]) for *_, messages in asked]
    written = {key: value.decode() for key, value in cache.get_many(NAMESPACE, keys).items()}
    missing = {key: messages for key, (*_, messages) in zip(keys, asked, strict=True) if key not in written}
    answers = generator.generate_batch(list(missing.values()), max_new_tokens=_MAX_NEW_TOKENS) if missing else []
    fresh = {key: answer.text for key, answer in zip(missing, answers, strict=True)}
    cache.put_many(NAMESPACE, [(key, text.encode()) for key, text in fresh.items()])
    written |= fresh
    found = (_fact(chunk, at, written[key], versions) for key, (chunk, at, _) in zip(keys, asked, strict=True))
    return list({fact.question.question: fact for fact in found if fact is not None}.values())


def _prompts(chunk: Chunk, per_chunk: int, seed: int) -> list[tuple[int, tuple[Message, ...]]]:
    sentences = [chunk.text[start:end] for start, end in spans_of(chunk.text)]
    places = [at for at, sentence in enumerate(sentences) if len(sentence.split()) >= _MIN_SENTENCE_WORDS]
    places.sort(key=lambda at: digest_of([seed, NAMESPACE, chunk.id, at]))
    return [(at, _prompt(chunk.context, sentences[at])) for at in sorted(places[:per_chunk])]


def _prompt(context: str, sentence: str) -> tuple[Message, ...]:
    task = (
        "Write one question that this text answers, then the answer as it stands in the text, in a few words.\n"
        "Write them like this:\nQuestion: Who looks after the boats?\nAnswer: Mary Smith"
    )
    return (
        Message(Role.SYSTEM, "You write questions about texts."),
        Message(Role.USER, f"{task}\n\nText:\n{context}\n{sentence}"),
    )


def _plain(messages: Sequence[Message]) -> list[list[str]]:
    return [[message.role.value, message.content] for message in messages]


def _fact(chunk: Chunk, at: int, written: str, versions: Mapping[str, str]) -> Fact | None:
    found = _WRITTEN.search(written)
    if found is None:
        return None
    question, answer = found["question"].strip(), found["answer"].strip().rstrip(".")
    fits = 0 < len(answer.split()) <= _MAX_ANSWER_WORDS
    if not fits or not states(chunk.text, answer) or states(question, answer):
        return None
    name = f"synthetic:{chunk.id}:{at}"
    asked = Question(id=name, question=question, answers=(answer,), gold_doc_ids=(chunk.document_id,))
    return Fact(name, asked, {chunk.document_id: versions[chunk.document_id]}, (chunk,), True)
