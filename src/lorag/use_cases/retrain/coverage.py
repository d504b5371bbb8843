"""The coverage of the knowledge by what an adapter was trained on."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from lorag.knowledge.artifacts import read_chunks, read_documents
from lorag.params import Params
from lorag.questions.coverage import Coverage, measure_coverage
from lorag.questions.facts import collect_facts, fact_digests
from lorag.questions.questions import read_questions
from lorag.tuning.synthesis import source_chunk
from lorag.workspace import Workspace


def coverage_of(lineage: Mapping[str, Any], workspace: Workspace, params: Params) -> Coverage:
    """Return the coverage of the pipeline's documents and chunks by the training set with this lineage.

    A fact counts if the questions file still gives the answer that was trained. With an adapter that was continued,
    this includes what the earlier training sets taught.
    """
    documents, chunks = read_documents(workspace.documents_file), read_chunks(workspace.chunks_file)
    questions = [q for q in read_questions(workspace.resolve(params.knowledge.questions)) if q.answers]
    facts, _ = collect_facts(questions, documents, chunks)
    digests = fact_digests(fact.question for fact in facts)
    left_out = Counter(row["name"] for row in lineage["refused"])
    taught = [
        fact
        for fact in facts
        if lineage["facts"].get(fact.id) == digests[fact.id] and left_out[fact.id] < len(fact.training_wordings)
    ]
    written = [name for fact in lineage["facts"] if (name := source_chunk(fact)) is not None]
    return measure_coverage(taught, documents, chunks, chunk_ids=written)
