"""Questions about a list item that describes something by its name, and about who holds an office."""

import re
from collections.abc import Iterator

from lorag.drafting.candidates import Candidate
from lorag.drafting.proposal import Proposal, is_name
from lorag.drafting.values import ValueKind

_ENTRY = re.compile(r"^\s*[-*+\u2022]\s+(?P<name>[^\s:(]+)(?:\s+[-\u2013\u2014]|:)\s+(?P<text>\S.*)$", re.DOTALL)
_DEFAULT = re.compile(r"\bdefaults?(?: value)?(?: is| to|:|=)?\s*[\"'\u201c]?$", re.I)
_OTHER_DEFAULT = re.compile(r"\bdefault", re.I)
_NOUNS = ("parameter", "option", "field", "setting", "property", "flag", "variable", "argument", "attribute", "key")
_BRACKETS = re.compile(r"\s*\([^()]*\)")
_FIRST_SENTENCE = re.compile(r"(?<=[.!;])(?:\s|$)")
_POINTS_ELSEWHERE = re.compile(r"\b(?:here|this|these|above|below|following|see|refer|it|they)\b", re.I)
_TO_THIRD = {
    verb: verb + "s" for verb in "set define enable disable allow control determine indicate provide describe".split()
} | {"specify": "specifies", "identify": "identifies", "use": "is used", "configure": "configures"}
_THIRD = frozenset(_TO_THIRD.values()) | {"supports", "names", "skips", "limits", "turns", "tells", "says", "chooses"}
_DETERMINERS = frozenset("the a an all each every most any no some one its their our your which whether how if".split())
_ARTICLES = frozenset("the a an any all this your".split())
_LIST = re.compile(r"\b(?:and|or)\b")
_LEAST_DESCRIPTION, _MOST_DESCRIPTION = 4, 22


def forms_of_entry(candidate: Candidate) -> Iterator[Proposal]:
    """Turn around a list item that describes something with a name: what it is called, and what its default is."""
    entry = _ENTRY.match(candidate.sentence)
    title = _title(candidate)
    if entry is None or not title:
        return
    name, value = entry["name"], candidate.value
    if value.start == entry.start("name") and value.text == name:
        yield from _ask_for_name(entry["text"], title, _noun(candidate))
    elif _DEFAULT.search(candidate.sentence[: value.start]):
        if len(_OTHER_DEFAULT.findall(candidate.sentence)) == 1:
            yield Proposal(
                f"What is the default value of {name} for {title}?",
                (
                    f"Which value does {name} have for {title} by default?",
                    f"What does {name} default to in {title}?",
                    f"If I leave out {name} for {title}, what value is used?",
                    f"Which {name} does {title} use by default?",
                ),
            )


def _ask_for_name(text: str, title: str, noun: str) -> Iterator[Proposal]:
    description = _FIRST_SENTENCE.split(_BRACKETS.sub("", text).strip())[0].strip(" .;")
    # What follows a comma mostly adds another thing, unless it is a list.
    main, _, more = description.partition(", ")
    if more and len(main.split()) >= _LEAST_DESCRIPTION and not _LIST.search(more):
        description = main
    words = description.split()
    if not _LEAST_DESCRIPTION <= len(words) <= _MOST_DESCRIPTION or _POINTS_ELSEWHERE.search(description):
        return
    first = words[0].lower()
    second = words[1].lower()
    if (first, second) == ("set", "to"):
        says = f"is {first} {' '.join(words[1:])}"
    elif first in _TO_THIRD or first in _THIRD:
        says = " ".join([_TO_THIRD.get(first, first), *words[1:]])
    elif first in ("which", "how", "what", "where"):
        says = f"says {first} {' '.join(words[1:])}"
    elif second in _ARTICLES and first not in _DETERMINERS and first.isalpha():
        # An article follows a verb here: `Ignore any errors`.
        says = " ".join([first if first.endswith("s") else first + "s", *words[1:]])
    elif first in (
        "if",
        "when",
        "whether",
        "this",
        "to",
        "can",
        "must",
        "should",
        "only",
        "not",
        "deprecated",
        "same",
        "please",
    ):
        return
    else:
        keeps = first not in _DETERMINERS and (is_name(words[0]) or words[1][:1].isupper() or words[0] in title.split())
        whole = description if keeps else words[0].lower() + description[len(words[0]) :]
        says = f"gives {whole}" if first in _DETERMINERS else f"gives the {whole}"
    yield Proposal(
        f"Which {noun} of {title} {says}?",
        (
            f"What is the {noun} of {title} called that {says}?",
            f"I am working with {title}: which {noun} {says}?",
            f"For {title}, what is the name of the {noun} that {says}?",
            f"What is the {title} {noun} that {says} called?",
        ),
    )


_ROLE = re.compile(
    r"^(?P<role>The [a-z][\w' -]*?(?:er|or|ist|ant|ent|clerk|chair|captain|head|lead|secretary|chief|master|"
    r"president|mate|pilot|cook|nurse)s?(?: (?:of|for|at) [^,;:()]+?)?) is $"
)


def forms_of_role(candidate: Candidate) -> Iterator[Proposal]:
    """Ask who holds an office: `The head gardener of the club is Ada Lund.`."""
    value = candidate.value
    role = _ROLE.match(candidate.sentence[: value.start])
    if value.kind is ValueKind.NAME and role and len(value.text.split()) > 1:
        who = role["role"][0].lower() + role["role"][1:]
        yield Proposal(
            f"Who is {who}?",
            (
                f"What is the name of {who}?",
                f"Do you know who {who} is?",
                f"What is {who} called?",
                f"By whom is the post of {who} held?",
            ),
        )


def _title(candidate: Candidate) -> str:
    return _BRACKETS.sub("", candidate.chunk.context.split(" > ")[0]).strip(" :.")


def _noun(candidate: Candidate) -> str:
    text = candidate.chunk.context.lower()
    if candidate.value.text.startswith("--"):
        return "option"
    if candidate.value.text.isupper():
        return "variable"
    found = [noun for noun in _NOUNS if re.search(rf"\b{noun}s?\b", text)]
    return found[0] if found else "parameter"
