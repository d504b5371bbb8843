"""The exam of an adapter: what it knows, reads and declines, compared with the base model and the champion."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from lorag.answering.declining import NOTHING_FOUND
from lorag.answering.ending import ANSWER_ENDING, finish_text, is_cut_off
from lorag.answering.generator import LanguageModel
from lorag.answering.prompts import base_messages, rag_messages
from lorag.answering.strategies import Prompt, make_prompt, read_passages, select_context
from lorag.digests import digest_of
from lorag.evaluation.adapter_gate import Champion, Examined
from lorag.evaluation.exam import Asked, Marks, Topic, answer_table, mark, mark_facts
from lorag.evaluation.refusal import ExamRow
from lorag.integrations.models.chat_encoding import open_chat_encoder
from lorag.integrations.models.files import convert_base_model
from lorag.integrations.models.generators import open_compared
from lorag.params import Params
from lorag.questions.facts import Fact, collect_facts, fact_digests
from lorag.questions.questions import Question, read_questions
from lorag.strategies import BASELINE, AdapterKind
from lorag.tuning.prompting import ASK
from lorag.tuning.raft import RaftMaker
from lorag.tuning.replay import general_controls
from lorag.use_cases.asking.artifacts import load_wanted
from lorag.use_cases.asking.batch_answers import generate_batched
from lorag.use_cases.asking.rewrite_questions import rewrite_questions
from lorag.use_cases.asking.search_contexts import search_wordings
from lorag.workspace import Workspace

READING_QUESTIONS = 100
"""The number of facts that are asked with a changed and with an irrelevant context, chosen by hash."""


@dataclass(frozen=True, slots=True)
class Exam:
    """The questions for an adapter and, in the same order, for the base model: only the prompts differ."""

    paper: Sequence[Asked]
    base_paper: Sequence[Asked]
    fact_digests: Mapping[str, str]


def evaluate_adapter(adapter: AdapterKind, workspace: Workspace, params: Params) -> None:
    """Write reports/adapter_<kind>.json, and every answer to artifacts/evaluation/<kind>/."""
    exam, candidate = _examine(adapter, workspace.adapter_folder(adapter), workspace, params, "adapter")
    base = _answer(exam.base_paper, open_compared(params.generation), workspace, params, "base model")
    folder = workspace.evaluation_folder(adapter)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "answers.jsonl").open("w", encoding="utf-8") as file:
        rows = zip(answer_table(exam.paper, candidate), answer_table(exam.base_paper, base), strict=True)
        for row, of_base in rows:
            row |= {"base_answer": of_base["answer"], "base_right": of_base["right"]}
            file.write(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n")
    facts = {
        "digests": exam.fact_digests,
        "adapter": mark_facts(exam.paper, candidate),
        BASELINE: mark_facts(exam.base_paper, base),
    }
    _write(folder / "facts.json", facts)
    report = {"adapter": asdict(mark(exam.paper, candidate)), BASELINE: asdict(mark(exam.base_paper, base))}
    counts = {topic.value: sum(asked.topic is topic for asked in exam.paper) for topic in Topic}
    workspace.reports.mkdir(exist_ok=True)
    _write(workspace.adapter_report(adapter), {**report, "questions": counts})


def read_exam(adapter: AdapterKind, workspace: Workspace) -> tuple[Examined, Examined, Mapping[str, str]]:
    """Return the adapter's and the base model's results that `evaluate_adapter` wrote, and the facts' digests."""
    report = json.loads(workspace.adapter_report(adapter).read_text(encoding="utf-8"))
    facts = json.loads((workspace.evaluation_folder(adapter) / "facts.json").read_text(encoding="utf-8"))
    candidate, base = (Examined(Marks(**report[who]), facts[who]) for who in ("adapter", BASELINE))
    return candidate, base, facts["digests"]


def read_exam_rows(adapter: AdapterKind, workspace: Workspace) -> list[ExamRow]:
    """Return every question of the exam with its answers, as `evaluate_adapter` wrote them."""
    with (workspace.evaluation_folder(adapter) / "answers.jsonl").open(encoding="utf-8") as file:
        return [ExamRow.from_json(json.loads(line)) for line in file]


def examine_champion(
    adapter: AdapterKind, folder: Path, known: Mapping[str, str], workspace: Workspace, params: Params
) -> Champion:
    """Ask the adapter in `folder` the questions of the candidate; answers from earlier come from the cache."""
    exam, answers = _examine(adapter, folder, workspace, params, "champion")
    return Champion(Examined(mark(exam.paper, answers), mark_facts(exam.paper, answers)), known)


def _examine(
    adapter: AdapterKind, folder: Path, workspace: Workspace, params: Params, who: str
) -> tuple[Exam, list[str]]:
    """Return the questions for the adapter in `folder`, and its answers."""
    generator = open_compared(params.generation, folder)
    exam = set_exam(adapter, generator, workspace, params)
    return exam, _answer(exam.paper, generator, workspace, params, who)


def set_exam(adapter: AdapterKind, generator: LanguageModel, workspace: Workspace, params: Params) -> Exam:
    """Return the questions, from the pipeline's artifacts and the questions files.

    An adapter that reads gets what serving would find; `generator`, the model with the adapter, rewrites the questions
    if `search.rewriting` asks for it. The base model gets the same contexts.

    Facts are asked in all held-out phrasings except the first, which decided when training stopped. Where there is
    only one, that is asked; where there is none, the question itself.
    """
    wanted = load_wanted(workspace)
    facts, _ = collect_facts(
        [q for q in read_questions(workspace.resolve(params.knowledge.questions)) if q.answers],
        wanted.documents,
        wanted.chunks,
    )
    own_controls = read_questions(workspace.resolve(params.knowledge.controls))
    controls = [q for q in [*general_controls(), *own_controls] if q.answers]
    unknown = [q for q in own_controls if not q.answers]
    asked = [(fact, wording) for fact in facts for wording in _wordings(fact.question)]
    paper = [Asked(Topic.FACT, text, tuple(ASK[adapter](text)), fact.question.answers, fact.id) for fact, text in asked]
    declined = [
        Asked(Topic.REFUSAL, text, tuple(ASK[adapter](text)), ())
        for question in unknown
        for text in (question.question, *question.phrasings, *question.held_out_phrasings)
    ]
    reading: list[Asked] = []
    if adapter.reads:
        texts = list(dict.fromkeys(each.question for each in [*paper, *declined]))
        queries = rewrite_questions(texts, generator, workspace, params)
        found = search_wordings(queries, wanted, workspace, params)
        ranked = {text: [hit.chunk for hit in result.hits] for text, result in found.items()}
        encoder = open_chat_encoder(convert_base_model(params.generation.model))
        select = partial(select_context, generator=encoder, params=params.answering, generation=params.generation)
        versions = {document.id: document.version for document in wanted.documents}
        # The answer to a changed context is right if it is the new value, with or without its quote.
        unquoted = params.training_set.model_copy(update={"raft_quote": False})
        raft = RaftMaker(facts, ranked, versions, select, params.answering, unquoted)

        def in_context(each: Asked) -> Asked:
            if not found[each.question].relevant(params.search.min_similarity):
                return replace(each, messages=())
            chunks = ranked[each.question]
            prompt = make_prompt(each.question, adapter.strategy, chunks, encoder, params.answering, params.generation)
            return replace(each, messages=prompt.messages)

        paper, declined = [in_context(each) for each in paper], [in_context(each) for each in declined]
        reading = _ask_to_read(asked, raft, params)
    shared = [Asked(Topic.CONTROL, q.question, tuple(ASK[adapter](q.question)), q.answers) for q in controls]
    every = [*paper, *shared, *declined, *reading]
    digests = fact_digests(fact.question for fact in facts)
    return Exam(every, [_for_base(each, adapter) for each in every], digests)


def _wordings(question: Question) -> Sequence[str]:
    return question.held_out_phrasings[1:] or question.held_out_phrasings or (question.question,)


def _ask_to_read(asked: Sequence[tuple[Fact, str]], raft: RaftMaker, params: Params) -> list[Asked]:
    chosen = sorted(asked, key=lambda each: digest_of(["reading", each[0].id, each[1]]))[:READING_QUESTIONS]
    rows: list[Asked] = []
    for at, (fact, text) in enumerate(chosen):
        if pair := raft.changed(fact, text):
            rows.append(Asked(Topic.CHANGED_CONTEXT, text, pair.messages, (pair.answer,), fact.id))
        other = chosen[(at + len(chosen) // 2) % len(chosen)][0]
        if not set(other.documents) & set(fact.documents):
            passages = read_passages(text, raft.select(other.gold), params.answering)
            messages = tuple(rag_messages(text, [passage.text for passage in passages])) if passages else ()
            rows.append(Asked(Topic.IRRELEVANT_CONTEXT, text, messages, (), fact.id))
    return rows


def _for_base(asked: Asked, adapter: AdapterKind) -> Asked:
    """Return the question for the base model: in its own prompt where there is no context."""
    if adapter.reads and asked.topic is not Topic.CONTROL:
        return asked
    return Asked(asked.topic, asked.question, tuple(base_messages(asked.question)), asked.accepted, asked.fact_id)


def _answer(
    paper: Sequence[Asked], generator: LanguageModel, workspace: Workspace, params: Params, who: str
) -> list[str]:
    """Return answers in the order of the questions; earlier answers of this model come from the cache.

    A question without messages is one for which nothing relevant was found. That is its answer, as in serving.
    """
    prompts = [Prompt(asked.question, asked.messages) for asked in paper]
    batched = generate_batched(prompts, generator, workspace, params, f"Asking the {who}", stop=ANSWER_ENDING)
    limit = params.generation.max_new_tokens
    return [
        finish_text(written.text, cut_off=is_cut_off(written, limit)) if written else NOTHING_FOUND
        for written in batched.generations
    ]


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
