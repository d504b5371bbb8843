"""The questions of a comparison, from the workspace's files."""

from lorag.errors import WorkspaceError
from lorag.evaluation.question_set import SetQuestion, compile_questions
from lorag.params import Params
from lorag.questions.facts import collect_facts
from lorag.questions.questions import read_questions
from lorag.questions.style import read_style
from lorag.tuning.replay import general_controls
from lorag.use_cases.asking.artifacts import Wanted
from lorag.workspace import Workspace

WRITE_SOME = "run `lorag questions draft` and `lorag questions review`, or write some: see docs/questions.md"
"""What to do where there are no questions."""


def require_questions(workspace: Workspace, params: Params, what: str) -> None:
    """Raise WorkspaceError if neither the questions file nor its origin has a question with an answer.

    `what` cannot be done without one.
    """
    knowledge = params.knowledge
    paths = [workspace.resolve(path) for path in (knowledge.questions, knowledge.questions_origin) if path]
    if not any(question.answers for path in paths if path.is_file() for question in read_questions(path)):
        raise WorkspaceError(f"there are no questions to {what}", where=str(paths[-1]), do=WRITE_SOME)


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
