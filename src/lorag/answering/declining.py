"""The ways in which a model says that it has no answer."""

import re

DECLINE = "I do not know."
"""The answer that an adapter learns to give if neither it nor the text that it reads has the answer."""

NOTHING_FOUND = "Nothing relevant was found in the knowledge base."
"""The whole answer if the search found nothing to answer from."""

_SOURCE = (
    r"(?:the |this |that |these |those |any )?(?:given |provided |above |available )?"
    r"(?:texts?|passages?|contexts?|documents?|information|articles?|sources?|excerpts?|knowledge base)"
    r"(?: (?:that is |that was )?(?:given|provided|above|available))?"
)
_SAYS = r"(?:say|state|mention|contain|provide|specify|give|include|answer|tell|indicate|have|name|describe|cover)"
_GIVEN = r"(?:known|mentioned|stated|specified|given|provided|clear|available|described|named|in the)"
_ENDS = r"(?=\W*$|[.,;]| (?:what|who|which|how|when|where|why|whether|in|from|by the)\b)"
_DECLINED = re.compile(
    r"\W*(?:(?:i am |i'm )?(?:sorry|afraid|unfortunately)\b[,;.]?(?: but)? ?(?:that )?)?"
    r"(?:(?:based on|according to|in|from) [^,]{0,60}, )?"
    r"(?:"
    r"i (?:do not|don't|really do not|really don't) (?:know|have|see|find)\b"
    r"|i(?: am|'m) (?:not (?:sure|certain|aware|able)|unable)\b"
    r"|i (?:cannot|can't|can not|could not|couldn't|did not|didn't) (?:answer|find|determine|tell|help|say|see)\b"
    rf"|{_SOURCE} (?:does not|doesn't|do not|don't|did not) (?:\w+ )?{_SAYS}\b"
    r"|nothing relevant was found\b"
    r"|there (?:is|was|are) no (?:\w+ )?(?:information|mention|answer|data|details?|indication)\b"
    r"|no (?:relevant |such )?(?:information|answer|data|details?|mention)\b"
    rf"|(?:it|this|that|the answer|the information)(?: is|'s| was) (?:not |un|nowhere ){_GIVEN}\b{_ENDS}"
    rf"|[^.!?]{{1,80}} (?:is|are|was|were) not (?:mentioned|stated|specified|given|provided)\b{_ENDS}"
    r"|(?:it |this |that |the (?:answer|question) )?(?:cannot|can't|can not) be (?:determined|answered|found|known)\b"
    rf"|not {_GIVEN}\b"
    r"|unknown\b|n/a\W*$"
    r")"
)


def is_declined(text: str) -> bool:
    """Whether a model said that it does not know, in the words it was taught or in those that models commonly use."""
    return _DECLINED.match(" ".join(text.casefold().replace("\u2019", "'").split())) is not None
