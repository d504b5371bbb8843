"""The questions of a comparison, from the workspace's files."""

from lorag.evaluation.question_set import SetQuestion, compile_questions
from lorag.params import Params
from lorag.questions.facts import collect_facts
from lorag.questions.questions import read_questions
from lorag.questions.style import read_style
from lorag.tuning.replay import general_controls
from lorag.use_cases.asking.artifacts import Wanted
from lorag.workspace import Workspace


def load_question_set(wanted: Wanted, workspace: Workspace, params: Params) -> list[SetQuestion]:
    """Return facts whose gold documents are all indexed, controls, unanswerable questions and style probes.

    Style probes are asked only if adapters are trained on style.
    """
    knowledge = params.knowledge
    asked = [question for question in read_questions(workspace.resolve(knowledge.questions)) if question.answers]
    facts, _ = collect_facts(asked, wanted.documents, wanted.chunks)
    controls = [*general_controls(), *read_questions(workspace.resolve(knowledge.controls))]
    unanswerable = read_questions(workspace.resolve(knowledge.unanswerable))
    style = read_style(workspace.resolve(knowledge.style)).probes if params.training_set.style else ()
    comparison = params.comparison
    return compile_questions(facts, controls, unanswerable, style, comparison.wording, comparison.limit)
