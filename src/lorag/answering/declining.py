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
_SAYS = (
    r"(?:say|state|mention|contain|provide|specify|give|include|answer|tell|indicate|have|name|describe|cover)(?:s|es)?"
)
_GIVEN = r"(?:known|mentioned|stated|specified|given|provided|clear|available|described|named)"
_FACTS = r"(?:information|mention|answer|data|details?|indication|reference|context)"
_NOT = r"(?: is| was| are|'s)(?: not |n't | nowhere )"
_IT = r"(?:it|this|that|the answer|(?:the|this|that|such) information)"
_ENDS = r"(?=\W*$|[.,;]| (?:what|who|which|how|when|where|why|whether|in|from|by the)\b)"
_FIND = r"(?:answer|find|determine|tell|help|say|see|know|infer)"
_DECLINED = re.compile(
    r"\W*(?:as an? [^,]{0,40}, )?"
    r"(?:(?:i am |i'm |i )?(?:sorry|afraid|unfortunately|apologi[sz]e)\b[,;.]?(?: but)? ?(?:that )?)?"
    r"(?:(?:based on|according to|in|from) [^,]{0,60}, )?"
    r"(?:"
    r"(?:i|we) (?:do not|don't|really do not|really don't) (?:know|have|see|find)\b"
    rf"|(?:i|we) (?:have|had|found|lack) (?:no|the|any) (?:\w+ )?(?:idea|{_FACTS})\b"
    rf"|i (?:do not|don't) (?:think|believe) (?:that )?{_SOURCE} {_SAYS}\b"
    r"|i(?: am|'m) (?:not (?:sure|certain|aware|able)|unable)\b"
    rf"|i (?:cannot|can't|can not|could not|couldn't|did not|didn't) {_FIND}\b"
    r"|(?:that|this) is (?:not something (?:that )?i can|something (?:that )?i cannot) answer\b"
    rf"|{_SOURCE} (?:does not|doesn't|do not|don't|did not) (?:\w+ )?{_SAYS}\b"
    rf"|{_SOURCE} (?:provides?|gives?|contains?|makes?|has|have|offers?|includes?) no (?:\w+ )?{_FACTS}\b"
    rf"|{_SOURCE} (?:is|are) (?:insufficient|not (?:sufficient|enough))\b"
    rf"|(?:none of|neither(?: of)?|nothing in) {_SOURCE} (?:\w+ )?{_SAYS}\b"
    r"|nothing relevant was found\b"
    rf"|there (?:is|was|are) no (?:\w+ )?{_FACTS}\b"
    rf"|(?:there (?:is|was|are|isn't|wasn't|aren't) )?(?:(?:not )?(?:enough|sufficient)|insufficient) {_FACTS}\b"
    rf"|no (?:relevant |such )?{_FACTS}\b(?! (?:is|was|are) (?:needed|required|necessary|expected))"
    rf"|(?:{_IT}{_NOT}|{_IT}(?: is|'s| was) un){_GIVEN}\b{_ENDS}"
    rf"|{_IT}{_NOT}(?:(?:found|contained|included|part|present) )?(?:in|of) {_SOURCE}\b"
    rf"|it(?: is|'s| was) (?:not possible|impossible) to {_FIND}\b"
    rf"|[^.!?]{{1,80}} (?:is|are|was|were) not (?:mentioned|stated|specified|given|provided)\b{_ENDS}"
    r"|(?:it |this |that |the (?:answer|question) )?(?:cannot|can't|can not) "
    rf"(?:be (?:determined|answered|found|known)|{_FIND})\b"
    rf"|(?:unable|not able) to {_FIND}\b"
    rf"|not {_GIVEN}\b|not in the\b{_ENDS}"
    r"|(?:un(?:known|answerable|clear)|no idea|(?:don't|do not) know)\b|(?:n/a|not applicable|idk)\W*$"
    r")"
)


def is_declined(text: str) -> bool:
    """Whether a model said that it does not know, in the words it was taught or in those that models commonly use."""
    return _DECLINED.match(" ".join(text.casefold().replace("\u2019", "'").split())) is not None
