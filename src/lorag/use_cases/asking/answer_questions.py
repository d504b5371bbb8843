"""The answers of a strategy to all questions of a comparison: a function of the artifacts and an adapter."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lorag.answering.ending import ANSWER_ENDING
from lorag.answering.generator import Generation, LanguageModel
from lorag.answering.sentence_features import EmbedTexts
from lorag.answering.strategies import Answer, Prompt, assemble_answer, make_prompt, nothing_found
from lorag.costs.records import Cost
from lorag.evaluation.answer_rows import AnswerRow, write_answers
from lorag.evaluation.question_set import SetQuestion, Topic
from lorag.evaluation.retrieval import rank_documents
from lorag.integrations.models.generators import open_compared
from lorag.knowledge.documents import Chunk
from lorag.params import Params
from lorag.strategies import READER, Strategy
from lorag.use_cases.asking.artifacts import Wanted, load_wanted
from lorag.use_cases.asking.batch_answers import Batched, generate_batched
from lorag.use_cases.asking.evaluate_retrieval import widen
from lorag.use_cases.asking.question_set import load_question_set
from lorag.use_cases.asking.rewrite_questions import rewrite_questions
from lorag.use_cases.asking.search_contexts import open_embedding, open_search
from lorag.workspace import Workspace

ANSWERS, IDEAL_ANSWERS = "answers.jsonl", "answers_ideal.jsonl"
READING_ANSWERS, BESIDE_ANSWERS = "answers_reading.jsonl", "answers_beside.jsonl"


@dataclass(frozen=True, slots=True)
class Batch:
    """The cost of generating `n_queries` answers together, without loading the model and without searching."""

    n_queries: int
    cost: Cost


def answer_questions(strategy: Strategy, workspace: Workspace, params: Params, folder: Path) -> None:
    """Write answers.jsonl into `folder`, and also answers_ideal.jsonl for a strategy that reads.

    The ideal answers are to facts, from the chunks that state them, followed by the other chunks of the search. With
    `comparison.reading` two more variants are written. An adapter that does not read is also asked for facts with
    context, as rag is (answers_reading.jsonl). A strategy that reads is also asked the controls with the closest
    chunks, however dissimilar (answers_beside.jsonl). If answers were not in the cache, the cost of generating them is
    saved for `read_batch`; the variants are not part of it.
    """
    wanted = load_wanted(workspace)
    questions = load_question_set(wanted, workspace, params)
    kind = strategy.profile.adapter
    generator = open_compared(params.generation, workspace.adapter_folder(kind) if kind else None)
    found = _search(strategy, questions, generator, wanted, workspace, params)
    asker = _Asker(strategy, generator, wanted, workspace, params)
    rows, batched = asker.ask(questions, found)
    write_answers(folder / ANSWERS, rows)
    _keep_batch(strategy, batched, workspace)
    facts = [question for question in questions if question.topic is Topic.FACT]
    for name in (READING_ANSWERS, BESIDE_ANSWERS):
        (folder / name).unlink(missing_ok=True)
    if kind and not kind.reads and params.comparison.reading:
        read = _search(READER, facts, generator, wanted, workspace, params)
        write_answers(folder / READING_ANSWERS, replace(asker, strategy=READER).ask(facts, read)[0])
    if found is not None:
        write_answers(folder / IDEAL_ANSWERS, asker.ask(facts, _ideal(questions, found, wanted.chunks))[0])
        controls = [question for question in questions if question.topic is Topic.CONTROL]
        if params.comparison.reading and controls:
            anything = params.search.model_copy(update={"min_similarity": -1.0})
            lenient = params.model_copy(update={"search": anything})
            beside = _search(strategy, controls, generator, wanted, workspace, lenient)
            write_answers(folder / BESIDE_ANSWERS, asker.ask(controls, beside)[0])


def ask_with(
    strategy: Strategy,
    questions: Sequence[SetQuestion],
    wanted: Wanted,
    adapter: Path | None,
    workspace: Workspace,
    params: Params,
) -> list[AnswerRow]:
    """Return the answers to any questions, with the adapter in that folder; `wanted` are the pipeline's artifacts."""
    generator = open_compared(params.generation, adapter)
    found = _search(strategy, questions, generator, wanted, workspace, params)
    return _Asker(strategy, generator, wanted, workspace, params).ask(questions, found)[0]


def read_batch(strategy: Strategy, workspace: Workspace) -> Batch | None:
    """Return what the last `answer_questions` generated; None after `forget_batch`, or if all answers were cached."""
    try:
        value = json.loads(_batch_file(strategy, workspace).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Batch(value["n_queries"], Cost.from_json(value["cost"]))


def forget_batch(strategy: Strategy, workspace: Workspace) -> None:
    """Forget the last batch, before a run that may have nothing to generate."""
    _batch_file(strategy, workspace).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Found:
    """The chunks that a question is answered from, best first, and all documents that the search ranks."""

    chunks: Sequence[Chunk]
    documents: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Asker:
    strategy: Strategy
    generator: LanguageModel
    wanted: Wanted
    workspace: Workspace
    params: Params

    def ask(self, questions: Sequence[SetQuestion], found: Sequence[_Found] | None) -> tuple[list[AnswerRow], Batched]:
        """Ask all questions; `found` belongs to them by position and is None for a strategy that reads nothing."""
        given = [_Found(()) for _ in questions] if found is None else found
        prompts = [self._prompt(question.text, each.chunks) for question, each in zip(questions, given, strict=True)]
        title = f"Asking {self.strategy}"
        batched = generate_batched(prompts, self.generator, self.workspace, self.params, title, stop=ANSWER_ENDING)
        versions = {document.id: document.version for document in self.wanted.documents}
        with open_embedding(self.workspace, self.params) as embed:
            answers = [
                self._answer(prompt, written, versions, embed)
                for prompt, written in zip(prompts, batched.generations, strict=True)
            ]
        rows = [
            AnswerRow(question, answer, each.documents)
            for question, answer, each in zip(questions, answers, given, strict=True)
        ]
        return rows, batched

    def _prompt(self, text: str, chunks: Sequence[Chunk]) -> Prompt:
        return make_prompt(text, self.strategy, chunks, self.generator, self.params.answering, self.params.generation)

    def _answer(
        self, prompt: Prompt, written: Generation | None, versions: Mapping[str, str], embed: EmbedTexts
    ) -> Answer:
        if written is None:
            return nothing_found()
        return assemble_answer(prompt, written, versions, self.params.answering, self.params.generation, embed)


def _search(
    strategy: Strategy,
    questions: Sequence[SetQuestion],
    generator: LanguageModel,
    wanted: Wanted,
    workspace: Workspace,
    params: Params,
) -> list[_Found] | None:
    """Return what serving would find for each question: nothing if the best chunk is not relevant enough."""
    if not strategy.profile.reads:
        return None
    queries = rewrite_questions(dict.fromkeys(question.text for question in questions), generator, workspace, params)
    with open_search(wanted, workspace, params) as search:
        served = search(queries, params.search)
        ranked = search(queries, widen(params.search))
    # Matched by text and position: ids are unique only within one file of questions.
    return [
        _Found(
            [hit.chunk for hit in served[question.text].relevant(params.search.min_similarity)],
            tuple(rank_documents(ranked[question.text].hits)),
        )
        for question in questions
    ]


def _ideal(questions: Sequence[SetQuestion], found: Sequence[_Found], chunks: Sequence[Chunk]) -> list[_Found]:
    """Return, for each fact among the questions, its gold chunks and then the chunks that the search found."""
    by_id = {chunk.id: chunk for chunk in chunks}
    return [
        _Found([by_id[name] for name in dict.fromkeys((*question.gold_chunks, *(c.id for c in each.chunks)))])
        for question, each in zip(questions, found, strict=True)
        if question.topic is Topic.FACT
    ]


def _batch_file(strategy: Strategy, workspace: Workspace) -> Path:
    return workspace.batches / f"{strategy}.json"


def _keep_batch(strategy: Strategy, batched: Batched, workspace: Workspace) -> None:
    forget_batch(strategy, workspace)
    if batched.n_fresh:
        workspace.batches.mkdir(parents=True, exist_ok=True)
        value = {"n_queries": batched.n_fresh, "cost": batched.cost.to_json()}
        _batch_file(strategy, workspace).write_text(json.dumps(value), encoding="utf-8")
