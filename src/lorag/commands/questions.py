"""Commands that draft questions, and review drafts and candidates."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lorag.commands.options import Json, open_workspace
from lorag.console import candidates as console_candidates
from lorag.console import questions as console_questions
from lorag.console import terminal as console
from lorag.drafting.proposal import Writers
from lorag.errors import ParamsError

commands = typer.Typer()
questions_app = typer.Typer(help="Draft questions about the served documents, and review drafts and candidates.")
commands.add_typer(questions_app, name="questions")


@questions_app.command(epilog="Example: lorag questions draft --count 15")
def draft(
    context: typer.Context,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many to draft.")] = 15,
    output: Annotated[
        Path | None,
        typer.Option(
            help="The file that drafts are added to; if left out, drafts.jsonl in the workspace.", metavar="FILE"
        ),
    ] = None,
    document: Annotated[list[str] | None, typer.Option(help="Only about this document; may be repeated.")] = None,
    writer: Annotated[
        Writers,
        typer.Option(
            help="Who forms the questions: fixed forms of English, the language model, or the model where no form fits."
        ),
    ] = Writers.BOTH,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, max=100_000, help="Try no further sentences after this many minutes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draft questions with answers and other wordings from the served documents, new passages first.

    A question is kept if the search finds its passage, the reader answers it from there, and no other passage does.
    Each draft is in the file as soon as it is kept. Nothing uses a draft before `lorag questions review` accepts it.
    """
    workspace, params = open_workspace(context)
    from lorag.use_cases.draft.draft_questions import draft_questions

    with console.standard_output_kept_clean():
        result = draft_questions(
            workspace,
            params,
            os.environ,
            count=count,
            output=output,
            documents=document or (),
            writers=writer,
            minutes=minutes,
            on_draft=console_questions.report_draft,
        ).to_json()
    console.show(result, lambda: console_questions.show_drafted(result), as_json=as_json)


@questions_app.command(epilog="Example: lorag questions review --accept draft-0a1b2c3d4e")
def review(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(help="A drafts file; if left out, drafts.jsonl in the workspace.", metavar="[FILE]"),
    ] = None,
    accept: Annotated[list[str] | None, typer.Option(help="Accept this draft; may be repeated.", metavar="ID")] = None,
    drop: Annotated[list[str] | None, typer.Option(help="Drop this draft; may be repeated.", metavar="ID")] = None,
    question: Annotated[
        str | None, typer.Option(help="With one --accept: the question to write instead.", metavar="TEXT")
    ] = None,
    answer: Annotated[
        list[str] | None,
        typer.Option(help="With one --accept: an accepted answer to write instead; may be repeated.", metavar="TEXT"),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Who reviews; if left out, git's user.name or yours.", metavar="NAME")
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List the drafts and what was decided.")] = False,
    as_json: Json = False,
) -> None:
    """Accept, edit or drop drafts, one key for each; accepted ones move into the questions file.

    Each decision is on disk at once, with who made it and when. Without a terminal, give --accept, --drop or --list.
    """
    workspace, params = open_workspace(context)
    from lorag.use_cases.draft.review_drafts import Edit, open_review, review_drafts, review_to_json

    opened = open_review(workspace, params, file, by)
    edit = Edit(question, tuple(answer) if answer else None) if question or answer else None
    before = opened.read()
    if accept or drop or edit:
        decided = review_drafts(opened, accept or (), drop or (), edit)
    elif list_all or as_json:
        decided = []
    elif sys.stdin.isatty() and sys.stdout.isatty():
        decided = console_questions.review_drafts_by_key(opened)
    else:
        raise ParamsError(
            "no terminal to review in", where="lorag questions review", do="give --accept, --drop or --list"
        )
    result = review_to_json(opened, before, decided)
    show = console_questions.show_list if list_all else console_questions.show_reviewed
    console.show(result, lambda: show(result), as_json=as_json)


@questions_app.command(epilog="Example: lorag questions candidates --drop cand_0a1b2c3d4e")
def candidates(
    context: typer.Context,
    accept: Annotated[
        str | None, typer.Option(help="Make a test question of this candidate; needs --failure.", metavar="ID")
    ] = None,
    failure: Annotated[
        str | None,
        typer.Option(
            help="search_missed, reader_ignored, quoted_wrong, should_have_declined, or nothing.", metavar="WHAT"
        ),
    ] = None,
    answer: Annotated[str, typer.Option(help="With --accept: the right answer.", metavar="TEXT")] = "",
    page: Annotated[
        str | None, typer.Option(help="With --accept: the document that holds it; else the first found.", metavar="ID")
    ] = None,
    question: Annotated[
        str | None, typer.Option(help="With --accept: the question to write instead.", metavar="TEXT")
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(help="Drop this candidate; may be repeated.", metavar="ID")] = None,
    by: Annotated[
        str | None, typer.Option(help="Who reviews; if left out, git's user.name or yours.", metavar="NAME")
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at answers that got a verdict or were declined, and make test questions of them, one key for each.

    Nothing becomes a question by itself. Without a terminal, the open candidates are listed.
    """
    workspace, params = open_workspace(context)
    from lorag.use_cases.draft.review_candidates import candidates_to_json, decide, open_served_review

    opened = open_served_review(workspace, params, by)
    decided = decide(opened, accept, failure, answer, page, question, drop or ())
    asks = not (accept or drop or as_json) and sys.stdin.isatty() and sys.stdout.isatty()
    if asks:
        decided = console_candidates.review_candidates_by_key(opened)
    result = candidates_to_json(opened, decided)
    console.show(result, lambda: console_candidates.show_candidates(result, listed=not asks), as_json=as_json)
