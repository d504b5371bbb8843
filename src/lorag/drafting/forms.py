"""Questions in fixed English forms, made from a sentence whose grammar is plain enough to turn it around.

A small model seldom writes a good question; a form gives none unless it fits.
"""

import re
from collections.abc import Collection, Iterable

from lorag.drafting.candidates import Candidate
from lorag.drafting.clause_forms import forms_of_clause
from lorag.drafting.entry_forms import forms_of_entry, forms_of_role
from lorag.drafting.proposal import Proposal
from lorag.knowledge.documents import Chunk

_SMALL = re.compile(r"(?<![\w.-])[a-z][a-z-]+(?![\w-])")


def propose_by_form(candidate: Candidate, ordinary: Collection[str]) -> list[Proposal]:
    """Return a question for each form that the sentence has, the most reliable form first; often none.

    `ordinary` are the words that the knowledge writes in small letters: one of them is no name at a sentence's start.
    """
    return [*forms_of_entry(candidate), *forms_of_role(candidate), *forms_of_clause(candidate, ordinary)]


def ordinary_words(chunks: Iterable[Chunk]) -> frozenset[str]:
    """Return all words that these chunks write in small letters somewhere."""
    return frozenset(word for chunk in chunks for word in _SMALL.findall(chunk.text))
