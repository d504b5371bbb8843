"""The rewriting of many questions before a search, as serving rewrites one."""

from collections.abc import Iterable, Sequence

from lorag.answering.generator import LanguageModel
from lorag.answering.prompts import rewriting_messages
from lorag.answering.rewrite import MAX_NEW_TOKENS, queries_from
from lorag.answering.strategies import Prompt
from lorag.params import Params, Rewriting
from lorag.use_cases.asking.batch_answers import generate_batched
from lorag.workspace import Workspace


def rewrite_questions(
    texts: Iterable[str], generator: LanguageModel, workspace: Workspace, params: Params
) -> dict[str, Sequence[str]]:
    """Return the queries that serving would use for each text: first itself, then what `generator` makes of it.

    Earlier rewritings of the same model come from the cache. If `search.rewriting` is `none`, nothing is generated.
    """
    mode = params.search.rewriting
    if mode is Rewriting.NONE:
        return unchanged(texts)
    prompts = [Prompt(text, tuple(rewriting_messages(mode, text))) for text in texts]
    generation = params.generation.model_copy(update={"max_new_tokens": MAX_NEW_TOKENS})
    limited = params.model_copy(update={"generation": generation})
    written = generate_batched(prompts, generator, workspace, limited, "Rewriting questions").generations
    return {
        prompt.question: queries_from(prompt.question, mode, each.text if each else "")
        for prompt, each in zip(prompts, written, strict=True)
    }


def unchanged(texts: Iterable[str]) -> dict[str, Sequence[str]]:
    """Return each text as its only query."""
    return {text: [text] for text in texts}
