"""Questions that a language model makes from chunks, kept only if the chunk contains their answer."""

import re
from collections.abc import Mapping, Sequence

from lorag.answering.citations import spans_of
from lorag.answering.generator import LanguageModel, Message, Role
from lorag.answering.prompts import rag_messages
from lorag.answering.words import content_words
from lorag.digests import digest_of
from lorag.knowledge.documents import Chunk
from lorag.questions.facts import Fact
from lorag.questions.questions import Question
from lorag.questions.words import states
from lorag.retrieval.embed import VectorCache

NAMESPACE = "synthetic"
"""The namespace of the cache for text that the model wrote."""

_FACT_PREFIX = "synthetic"
_QUESTION_TOKENS = 40
_ANSWER_TOKENS = 24
_MIN_SENTENCE_WORDS = 5
_MAX_ANSWER_WORDS = 12
_EXAMPLES = (
    (
        "Bakery > Opening\nThe bakery on Mill Lane opens at 5.40 and closes when the bread is gone.",
        "When does the bakery open?",
    ),
    ("Staff\nThe head gardener is Ada Lund, who came from the coast.", "Who is the head gardener?"),
    ("Shed\nThe key hangs behind the blue door.", "Where does the key to the shed hang?"),
)
"""The examples, shown as earlier turns: a small model follows an example better than an instruction."""

_PREAMBLE = re.compile(r"^the (?:right |correct )?answer\b[^:\n]{0,40}:\s*", re.IGNORECASE)
_QUESTION = re.compile(r"(?:\bquestion\s*:\s*)?(?P<question>[A-Z][^\n?:]{10,200}\?)", re.IGNORECASE)


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
    """Return up to `per_chunk` facts of each chunk, each made from one of its sentences, which are drawn by hash.

    The model writes a question, then answers it from the sentence. `settings` names all other settings of the generator
    that change its text. Much of the text of small models is not kept.
    """
    places = [(chunk, at) for chunk in chunks for at in _draw_sentences(chunk, per_chunk, seed)]
    passages = [f"{chunk.context}\n{_sentences(chunk)[at]}" for chunk, at in places]
    written = _generate([_ask_for_question(text) for text in passages], _QUESTION_TOKENS, generator, cache, settings)
    questions = [found["question"].strip() if (found := _QUESTION.search(text)) else "" for text in written]
    answered = [at for at, question in enumerate(questions) if question]
    asked = [rag_messages(questions[at], [passages[at]]) for at in answered]
    answers = _generate(asked, _ANSWER_TOKENS, generator, cache, settings)
    facts: dict[str, Fact] = {}
    for at, written_answer in zip(answered, answers, strict=True):
        question, answer = questions[at], _PREAMBLE.sub("", written_answer).strip(' ".')
        if _is_kept(question, answer, places[at][0]):
            facts.setdefault(question, _fact(*places[at], question, answer, versions))
    return list(facts.values())


def source_chunk(fact_id: str) -> str | None:
    """Return the id of the chunk that a synthesised fact was made from; None for a fact of a questions file."""
    kind, _, rest = fact_id.partition(":")
    return rest.rpartition(":")[0] if kind == _FACT_PREFIX and rest else None


def _draw_sentences(chunk: Chunk, n: int, seed: int) -> list[int]:
    long = [at for at, sentence in enumerate(_sentences(chunk)) if len(sentence.split()) >= _MIN_SENTENCE_WORDS]
    return sorted(sorted(long, key=lambda at: digest_of([seed, NAMESPACE, chunk.id, at]))[:n])


def _sentences(chunk: Chunk) -> list[str]:
    return [chunk.text[start:end] for start, end in spans_of(chunk.text)]


def _ask_for_question(passage: str) -> list[Message]:
    task = "Write one short question that this text answers."
    messages = [Message(Role.SYSTEM, "You write short questions about texts.")]
    for text, question in _EXAMPLES:
        messages += [Message(Role.USER, f"Text:\n{text}\n\n{task}"), Message(Role.ASSISTANT, question)]
    return [*messages, Message(Role.USER, f"Text:\n{passage}\n\n{task}")]


def _generate(
    conversations: Sequence[Sequence[Message]],
    max_new_tokens: int,
    generator: LanguageModel,
    cache: VectorCache,
    settings: str,
) -> list[str]:
    keys = [
        digest_of([generator.model_sha256, settings, max_new_tokens, [[m.role.value, m.content] for m in messages]])
        for messages in conversations
    ]
    known = {key: value.decode() for key, value in cache.get_many(NAMESPACE, keys).items()}
    missing = {key: messages for key, messages in zip(keys, conversations, strict=True) if key not in known}
    if missing:
        fresh = generator.generate_batch(list(missing.values()), max_new_tokens=max_new_tokens)
        written = {key: generation.text for key, generation in zip(missing, fresh, strict=True)}
        cache.put_many(NAMESPACE, [(key, text.encode()) for key, text in written.items()])
        known |= written
    return [known[key] for key in keys]


def _is_kept(question: str, answer: str, chunk: Chunk) -> bool:
    fits = 0 < len(answer.split()) <= _MAX_ANSWER_WORDS and bool(content_words(question) & content_words(chunk.text))
    return fits and states(chunk.text, answer) and not states(question, answer)


def _fact(chunk: Chunk, at: int, question: str, answer: str, versions: Mapping[str, str]) -> Fact:
    name = f"{_FACT_PREFIX}:{chunk.id}:{at}"
    asked = Question(id=name, question=question, answers=(answer,), gold_doc_ids=(chunk.document_id,))
    return Fact(name, asked, {chunk.document_id: versions[chunk.document_id]}, (chunk,), literal=True)
