"""The printed keys of the service, and the report of what it was asked."""

from collections.abc import Mapping
from typing import Any

from lorag.console.terminal import say, table
from lorag.counted import counted


def show_new_key(result: Mapping[str, Any]) -> None:
    """Print a new key, which is never shown again."""
    say(result["key"])
    n_documents = result["n_documents"]
    now = "" if n_documents is None else f", now {n_documents or 'NONE'} of the served ones"
    say(f"It reads {_reads(result['where'])}{now}. Keep it: only its hash is stored.")


def show_keys(result: Mapping[str, Any]) -> None:
    """Print a row for each key."""
    if not result["keys"]:
        say("There are no keys but that of `lorag serve` itself. Make one with `lorag keys add NAME`.")
        return
    rows = [[key["name"], _reads(key["where"]), key["created_utc"][:10]] for key in result["keys"]]
    table("Keys of the service", ["name", "reads", "made"], rows, n_texts=3)


def show_queries(result: Mapping[str, Any]) -> None:
    """Print the counts, then the questions that the documents did not answer."""
    if not result["n_queries"]:
        say("The service was asked nothing yet, or keeps no questions (service.keep_questions_days).")
        return
    rows = [
        [
            each["strategy"],
            str(each["n"]),
            *(str(each["kinds"].get(kind, 0)) for kind in ("generated", "quoted", "declined")),
            f"{each['seconds_p50']:.2f}",
            f"{each['seconds_p95']:.2f}",
            f"{each['money']:.3g} {each['currency']}",
        ]
        for each in result["strategies"]
    ]
    columns = ["strategy", "asked", "generated", "quoted", "declined", "s p50", "s p95", "money"]
    table(f"{counted(result['n_queries'], 'question')}, {result['first_utc']} to {result['last_utc']}", columns, rows)
    if age := result["content_age_days"]:
        said = f"{counted(round(age['p50']), 'day')}, p95 {age['p95']:.0f}"
        say(f"Content age of {counted(age['n'], 'retrieved passage')}, median: {said}.")
    _list("Not answered by the documents", result["unanswered"])
    _list("Marked by readers", result["marked"])
    _list("Asked most", result["most_asked"])


def _list(title: str, entries: list[dict[str, Any]]) -> None:
    if entries:
        rows = [[str(entry["n"]), ", ".join(entry["verdicts"]), entry["question"]] for entry in entries]
        table(title, ["times", "verdict", "question"], rows, n_texts=3)


def _reads(where: Mapping[str, str]) -> str:
    return "documents with " + ", ".join(f"{key}={value}" for key, value in where.items()) if where else "everything"
