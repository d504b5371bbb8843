"""Sentences and the questions that the forms make of them; None where no form fits, because nothing beats junk."""

import pytest

from lorag.drafting.candidates import find_candidates
from lorag.drafting.checks import check_wording
from lorag.drafting.forms import propose_by_form
from lorag.knowledge.documents import Chunk

ORDINARY = frozenset("manifests shore staff lifting the a crossing historical values".split())
CASES = {
    "an adjective behind a length": (
        "Berth 4 of the Quellwick basin is 7.25 metres deep at the lowest tide of the year.",
        "7.25 metres",
        "How deep is Berth 4 of the Quellwick basin at the lowest tide of the year?",
    ),
    "a time of day, cut at the conjunction": (
        "The galley opens at 06:50 and serves kippers to all who signed the list.",
        "06:50",
        "At what time does the galley open?",
    ),
    "a duration with its preposition": (
        "Manifests are deleted after 60 days unless the safety officer sets a hold.",
        "60 days",
        "After how many days are manifests deleted?",
    ),
    "a subject in the plural": (
        "Shore staff have 29 days a year, public holidays not included.",
        "29 days",
        "How many days do shore staff have a year?",
    ),
    "an interval": (
        "By default, the watcher will check each trigger source every 30 seconds.",
        "30 seconds",
        "How often will the watcher check each trigger source by default?",
    ),
    "money": ("The yearly retainer is \u00a327,800 and is shared.", "\u00a327,800", "How much is the yearly retainer?"),
    "a measure of something": (
        "Each household may order up to 1.4 tonnes of coal per charter.",
        "1.4 tonnes",
        "Up to how many tonnes of coal may each household order per charter?",
    ),
    "the end of a range is left out": (
        "The desk is open from 07:50 to 17:10 on working days.",
        "07:50",
        "From what time is the desk open?",
    ),
    "a version": (
        "The support for the second backend was added in version 2.10.",
        "2.10",
        "In which version was the support for the second backend added?",
    ),
    "an office": (
        "The lead crane driver is Orla Petheram.",
        "Orla Petheram",
        "Who is the lead crane driver?",
    ),
    "the name of a setting": (
        "- queueName - Name of the queue to check for the message count. (Optional)",
        "queueName",
        "Which setting of Print server gives the name of the queue to check for the message count?",
    ),
    "a setting described by a verb": (
        "- enableTls - Allow a connection to a redis queue by tls.",
        "enableTls",
        "Which setting of Print server allows a connection to a redis queue by tls?",
    ),
    "a default": (
        "- queueLength - Target value of the queue for the scaler. (Default: 15, Optional)",
        "15",
        "What is the default value of queueLength for Print server?",
    ),
    "a comparison is not turned around": (
        "Hallowick is a compulsory harbour for any vessel longer than 47 metres.",
        "47 metres",
        None,
    ),
    "a thing that is counted beside the subject": (
        "Typical speeds are 3600 revolutions per minute in the plants with steam.",
        "3600",
        None,
    ),
    "a preposition of the object": ("The state has a written constitution enacted in 1975 by all.", "1975", None),
    "a tolerance": ("The forests are estimated to hold 0.62 \u00b1 0.37 tons of carbon each year.", "0.37", None),
    "a year": (
        "The club was relegated from the league in 2013.",
        "2013",
        "In which year was the club relegated from the league?",
    ),
    "a splice behind the description": (
        "- vhostName - Vhost to use for the connection, overrides any vhost set elsewhere.",
        "vhostName",
        "Which setting of Print server gives the vhost to use for the connection?",
    ),
    "a setting that is out of use": ("- minValue - Deprecated in favour of the other value of it.", "minValue", None),
    "a number of an unknown unit": ("Bolts are tightened to 640 Nm in three passes of the wrench.", "640", None),
    "a subject that points elsewhere": ("If they agree, the pilot has 5 days to report to the board.", "5 days", None),
    "a setting whose description points elsewhere": (
        "- queueUrl - Address that is described in the list below for the queue.",
        "queueUrl",
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_sentence_becomes_a_question_if_its_grammar_is_plain(case: str) -> None:
    sentence, value, wanted = CASES[case]
    chunk = Chunk("c", "d", "Print server > Settings", sentence)
    candidates = [each for each in find_candidates(chunk) if each.value.text == value]
    found = [proposal for each in candidates for proposal in propose_by_form(each, ORDINARY)]
    assert [proposal.question for proposal in found] == ([wanted] if wanted else [])
    for proposal in found:
        assert len({proposal.question, *proposal.wordings}) == 5
        assert [check_wording(text, candidates[0]) for text in (proposal.question, *proposal.wordings)] == [None] * 5
