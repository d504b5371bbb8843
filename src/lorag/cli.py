"""The command `lorag`: it parses the arguments, calls one use case and reports."""

# ruff: noqa: E402 - an interrupt during the imports is handled as one later.

from lorag.interrupt import INTERRUPTED, SAID, leave_at_once, raise_again

leave_at_once()

import gc
import os
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from lorag.commands import adapters, answers, comparison, costs, knowledge, operate, questions, service
from lorag.commands.options import Settings
from lorag.console import terminal as console
from lorag.errors import ExitStatus, LoragError, ParamsError, StoreFailed
from lorag.extras import explain_missing
from lorag.failpoints import arm
from lorag.integrations.machine.disk import NEEDED_BYTES, NO_SPACE, explain_limits, free_bytes
from lorag.integrations.machine.local_http import leave_out_proxies
from lorag.integrations.machine.process_tree import process_began_s

app = typer.Typer(
    name="lorag",
    help="Keep a language model's knowledge current, and measure what each update costs.",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for group in (knowledge, questions, answers, adapters, comparison, costs, operate, service):
    app.add_typer(group.commands)


def _print_version(wanted: bool) -> None:
    if wanted:
        console.say(f"lorag {version('lorag')}")
        raise typer.Exit


@app.callback()
def main_options(
    context: typer.Context,
    workspace: Annotated[Path, typer.Option(help="The workspace, or a folder inside it.", metavar="DIR")] = Path(),
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and log lines.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Keep a language model's knowledge current, and measure what each update costs."""
    context.obj = Settings(workspace, debug, context.obj)
    console.set_up_logging(debug=debug)
    leave_out_proxies(os.environ)
    if not workspace.is_dir():
        raise ParamsError("no such folder", where=str(workspace), do="give --workspace a folder")


def main() -> None:
    """Run the command; every failure is one line and a fixed exit status."""
    # Imports create many objects and almost no garbage: looking for it less often saves a tenth of a short command.
    gc.set_threshold(100_000, 50, 50)
    console.show_all_characters()
    status = run(sys.argv[1:], begun_s=process_began_s())
    # A second interrupt, while what is left of the first one ends.
    leave_at_once()
    sys.exit(_flushed(status))


def _flushed(status: int) -> int:
    """Write out what standard output still holds; if that fails, say so once and return the status for it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
    except OSError as error:
        _drop_output()
        # Another error was said already, and perhaps this one.
        if status == ExitStatus.OK:
            console.show_error(_cannot_print(error), as_json=False)
            return int(ExitStatus.STORE)
    return status


def _output_failed(error: OSError, arguments: list[str]) -> LoragError | None:
    """Return the error of a full disk behind standard output; None if `error` is another one."""
    is_said = error.errno in NO_SPACE and error.filename is None
    if not is_said or free_bytes(_folder_of(arguments)) < NEEDED_BYTES:
        return None
    _drop_output()
    return _cannot_print(error)


def _cannot_print(error: OSError) -> StoreFailed:
    return StoreFailed(f"cannot print: {error.strerror}", where="standard output", do="free disk space")


def _drop_output() -> None:
    """Send what is left to nowhere, so that the interpreter does not fail over it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(arguments: list[str], environment: Mapping[str, str] = os.environ, *, begun_s: float | None = None) -> int:
    """Run `lorag ARGUMENTS` and return its exit status.

    Somebody has waited for it since `begun_s` on the clock of `time.monotonic`; since now if that is None.
    """
    begun_s = time.monotonic() if begun_s is None else begun_s
    debug, as_json = "--debug" in arguments, "--json" in arguments
    try:
        raise_again()
        ordered = options_first(arguments) or ["--help"]
        arm(environment)
        status = app(ordered, prog_name="lorag", standalone_mode=False, obj=begun_s)
        return _said(int(status or 0))
    except LoragError as error:
        if debug:
            raise
        error = explain_limits(error, _folder_of(arguments)) or error
        console.show_error(error, as_json=as_json)
        return int(error.exit_status)
    except typer.Exit as error:
        return _said(int(error.exit_code))
    except typer.TyperException as error:
        what = error.format_message() if hasattr(error, "format_message") else str(error)
        # How the library that checks the values begins its own sentence.
        what = what.replace("Value error, ", "")
        # The deepest command that was understood; None if already the options before it were wrong.
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "lorag"
        console.show_error(ParamsError(" ".join(what.split()), do=f"see `{command} --help`"), as_json=as_json)
        return int(ExitStatus.USAGE)
    except (KeyboardInterrupt, typer.Abort):
        return _said(INTERRUPTED)
    except BrokenPipeError:
        # The reader is gone, as with `| head`: there is nobody to report to.
        _drop_output()
        return 0
    except OSError as error:
        if debug:
            raise
        failed = _output_failed(error, arguments) or explain_limits(error, _folder_of(arguments))
        failed = failed or StoreFailed(f"{error.strerror or error}", where=str(error.filename or ""))
        console.show_error(failed, as_json=as_json)
        return int(ExitStatus.STORE)
    except Exception as error:
        # The last resort: a defect of lorag itself. It prints one line; with --debug the whole traceback.
        if debug:
            raise
        if full := explain_limits(error, _folder_of(arguments)):
            console.show_error(full, as_json=as_json)
            return int(full.exit_status)
        if isinstance(error, ImportError) and (missing := explain_missing(error)):
            console.show_error(missing, as_json=as_json)
            return int(missing.exit_status)
        if "prefect" in sys.modules and (lost := _lost_server(error, environment)):
            console.show_error(lost, as_json=as_json)
            return int(lost.exit_status)
        unexpected = LoragError(
            f"unexpected {type(error).__name__}: {error}"[:500], do="run it again with `lorag --debug` and report that"
        )
        console.show_error(unexpected, as_json=as_json)
        return int(ExitStatus.DEFECT)


def options_first(arguments: list[str]) -> list[str]:
    """Return the arguments with the options of `lorag` itself before the command, wherever they were written."""
    first: list[str] = []
    others: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word == "--":
            others += [word, *left]
            break
        if word == "--workspace" and left:
            first += [word, left.pop(0)]
        elif word == "--debug" or word.startswith("--workspace="):
            first.append(word)
        else:
            others.append(word)
    return [*first, *others]


def _folder_of(arguments: list[str]) -> Path:
    """Return the folder that the command works in."""
    named = arguments.index("--workspace") + 1 if "--workspace" in arguments else len(arguments)
    return Path(arguments[named]) if named < len(arguments) else Path.cwd()


def _said(status: int) -> int:
    """Return an exit status; that of an interrupt, which Typer gives too, is explained first."""
    if status == INTERRUPTED:
        sys.stderr.write(SAID)
    return status


def _lost_server(error: Exception, environment: Mapping[str, str]) -> LoragError | None:
    from lorag.integrations.prefect.errors import lost_server

    return lost_server(error, environment)


if __name__ == "__main__":
    main()
