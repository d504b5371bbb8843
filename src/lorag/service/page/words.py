"""Numbers, times and codes in the words of the page."""

from datetime import UTC, datetime

from lorag.answering.strategies import AnswerKind, Reason
from lorag.knowledge.documents import Reason as Rejection
from lorag.strategies import Strategy
from lorag.use_cases.refresh.pending_work import Why
from lorag.use_cases.serve.decisions import Failure
from lorag.use_cases.serve.query_log import Verdict

_SPANS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))

KINDS = {
    AnswerKind.GENERATED: ("Generated", "The model's own words."),
    AnswerKind.QUOTED: ("Quoted", "Word for word from the documents."),
    AnswerKind.DECLINED: ("Declined", "No answer."),
}
"""The name of each kind of answer, and what it says."""

REASONS = {
    Reason.FROM_MEMORY: "From memory: this strategy reads no documents, so nothing supports it.",
    Reason.NOT_SUPPORTED: "No sentence clearly supports what the model wrote, so the best passage is quoted instead.",
    Reason.NOTHING_FOUND: "Nothing in the documents answers this well enough.",
    Reason.MODEL_DECLINED: "The model says that it does not know.",
    Reason.NOT_RETAINED: "The question is about the past, and no release that is kept reaches back so far.",
}

_DESCRIPTIONS = {
    (False, False): "the model alone",
    (True, False): "the model reads what the search finds",
    (False, True): "the model with an adapter, from memory",
    (True, True): "an adapter that is trained to read what the search finds",
}

STRATEGIES = {each: _DESCRIPTIONS[each.profile.reads, each.profile.adapter is not None] for each in Strategy}
"""What each strategy does, in a few words."""

CHOOSES = "the strategy that is likeliest to be right on the question"
"""What is done where no strategy is named."""

RETRAIN = "needs lorag retrain"
"""Why a strategy cannot answer whose adapter is not served."""

VERDICTS = {
    Verdict.RIGHT: "Right",
    Verdict.WRONG: "Wrong",
    Verdict.STALE: "Stale",
    Verdict.NOT_IN_DOCUMENTS: "Not in the documents",
}
"""What a person can say of an answer."""

CANDIDATE_VERDICTS = {**VERDICTS, Verdict.DECLINED: "Declined"}
"""Why an answer is a candidate for a test question."""

FAILURES = {
    Failure.SEARCH_MISSED: "Search missed it",
    Failure.READER_IGNORED: "Reader ignored it",
    Failure.QUOTED_WRONG: "Quoted wrong",
    Failure.SHOULD_HAVE_DECLINED: "Should have declined",
}
"""What can have failed in an answer."""

PENDING = {
    Why.NOTHING_SERVED: "Nothing is served yet.",
    Why.NO_DOCUMENTS: "The served index is empty.",
    Why.ROLLED_BACK: "An older release is served. A refresh follows the source again.",
    Why.SETTINGS: "Settings, code or models changed since the release.",
    Why.SOURCE: "Files of the source were touched since the release.",
    Why.QUESTIONS: "The questions file changed.",
    Why.PIPELINE: "Files of the pipeline changed.",
    Why.INDEX: "Files of the index changed.",
    Why.MODEL: "A model is not on this machine.",
    Why.COSTS: "The costs of earlier updates are not logged yet.",
}

REJECTIONS = {
    Rejection.EMPTY: "the file is empty",
    Rejection.EMPTY_AFTER_PARSE: "no text was left after reading it",
    Rejection.TOO_LARGE: "it is larger than knowledge.max_file_bytes",
    Rejection.TYPE_MISMATCH: "its content is not what its name says",
    Rejection.BAD_ENCODING: "its text is in no known encoding",
    Rejection.TOO_DEEP: "it is nested too deeply",
    Rejection.UNSAFE_ARCHIVE: "it is an archive that could do harm",
    Rejection.PARSER_LIMIT: "reading it took too much time or memory",
    Rejection.PARSER_FAILED: "it cannot be read",
    Rejection.ENCRYPTED: "it is encrypted",
    Rejection.NO_TEXT: "it holds pictures of text, and pictures are not read",
    Rejection.OUTSIDE_ROOT: "it is a link to a place outside the source",
    Rejection.SYMLINK_LOOP: "it is a link to itself",
    Rejection.NOT_REGULAR: "it is no regular file",
    Rejection.UNREADABLE: "its permissions forbid reading it",
    Rejection.CHANGED_DURING_READ: "it changed while it was read",
    Rejection.UNSUPPORTED: "no format of this kind is read",
    Rejection.BAD_RECORD: "a record is malformed",
    Rejection.DUPLICATE_ID: "two different texts have this id",
    Rejection.POSSIBLE_SECRET: "it may hold a password or a key",
}


def ago(then_utc: str) -> str:
    """Return how long ago a time was, in its largest unit."""
    passed = (datetime.now(UTC) - _parse(then_utc)).total_seconds()
    for size, name in _SPANS:
        if passed >= size:
            n = int(passed // size)
            return f"{n} {name}{'s' if n > 1 else ''} ago"
    return "just now"


def moment(then_utc: str) -> str:
    """Return a time as a person writes it, in UTC."""
    return f"{_parse(then_utc):%-d %b %Y, %H:%M} UTC"


def seconds(value: float) -> str:
    """Return a time with a unit that fits."""
    if value < 1:
        return f"{value:.2f} s"
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 7_200 else f"{value / 3_600:.1f} h"


def plain(value: float) -> str:
    """Return a number as it is said: two digits below 100, whole above."""
    return f"{value:,.0f}" if value >= 100 else f"{float(f'{value:.2g}'):g}"


def money(value: float, currency: str) -> str:
    """Return a sum with two digits that say something."""
    if value == 0:
        return f"0 {currency}"
    digits = 2 if value >= 1 else min(8, max(2, 1 - _magnitude(value)))
    return f"{value:,.{digits}f} {currency}"


def short_id(release: str) -> str:
    """Return the generation that a release id begins with."""
    return str(int(release.split("-")[0])) if release.split("-")[0].isdigit() else release


def _magnitude(value: float) -> int:
    return int(f"{value:e}".split("e")[1])


def _parse(then_utc: str) -> datetime:
    found = datetime.fromisoformat(then_utc)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
