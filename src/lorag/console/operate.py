"""The printed state of services and deployments."""

from collections.abc import Mapping, Sequence
from typing import Any

from lorag.console.terminal import say, show_lines, table
from lorag.counted import counted


def show_operation(result: Mapping[str, Any]) -> None:
    """Print a row for each service, and what to do next."""
    rows = [
        [name, one["address"] or "", "" if one["pid"] is None else one["pid"], one["log"] or "elsewhere"]
        for name, one in result["services"].items()
    ]
    table("Running", ["service", "address", "pid", "log"], rows, n_texts=2)
    say(f"Deployed: {', '.join(result['deployments'])}. `lorag down` stops all of it.")
    show_lines(result["follows"])


def show_deployed(result: Mapping[str, Any]) -> None:
    """Print a row for each deployment."""
    rows = [[name, "only by events" if when is None else when] for name, when in result["deployments"].items()]
    table("Deployments", ["deployment", "schedule"], rows, n_texts=2)
    say("Failures are sent to LORAG_NOTIFY_URL." if result["notified"] else "No LORAG_NOTIFY_URL: nobody is notified.")


def show_stopped(names: Sequence[str]) -> None:
    """Print which services were stopped."""
    say(f"Stopped: {', '.join(names)}." if names else "Nothing ran.")


def show_backup(result: Mapping[str, Any]) -> None:
    """Print what a backup holds and what it does not."""
    signed = ", signed" if result["signed"] else ""
    say(f"{counted(result['files'], 'file')}, {result['bytes'] / 1e6:,.1f} MB, in {result['archive']}{signed}")
    say(f"Release in service: {result['release'] or 'none yet'}")
    for line in result["left_out"]:
        say(f"Left out: {line}")


def show_restored(result: Mapping[str, Any]) -> None:
    """Print where the workspace is, and what is to be done in it."""
    say(f"{counted(result['files'], 'file')} of {result['made_utc']} in {result['workspace']}")
    say(f"{counted(len(result['checks']), 'check')} passed")
    say(f"Release in service: {result['release'] or 'none yet'}")
    for line in result["notes"]:
        say(f"Note: {line}")


def show_receipt(result: Mapping[str, Any]) -> None:
    """Print what was found of a document in each store, and what is left."""
    done = result["done"]
    rows = [[one["store"], one["place"], one["things"], one["count"], one["problem"]] for one in result["stores"]]
    heading = "is forgotten" if done else "would be forgotten; nothing was changed"
    table(
        f"{result['document']} {heading}",
        ["store", "place", "what", "removed" if done else "found", "problem"],
        rows,
        n_texts=3,
    )
    if result["dropped_releases"]:
        say(f"Releases {'dropped' if done else 'to drop'}: {', '.join(result['dropped_releases'])}")
    say(f"Release in service: {result['release'] or 'none yet'}")
    for kind in result["retrain"]:
        older = ", an older one answers" if kind in result["taken_over"] else ""
        say(f"Adapter {kind}: out of service{older}; run `lorag retrain`")
    for line in result["limits"]:
        say(f"Not reached: {line}")
    if not done:
        say("Run it again with --yes to erase the document.")
