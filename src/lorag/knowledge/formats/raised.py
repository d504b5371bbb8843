"""Raised and lowered text, so that a power does not become part of the number before it."""

_RAISED = str.maketrans("0123456789+-\u2212=()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾")
_LOWERED = str.maketrans("0123456789+-\u2212=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
# What is raised by custom and reads as well on the line: 1st, 2nd, 3e, N° and marks of trade.
_ON_THE_LINE = frozenset("st nd rd th er ère re e ème o tm sm".split())


def raised(text: str, before: str) -> str:
    """Return superscript `text` as it is written behind `before`: `10` and `6` give ⁶, `x` and `a+b` give ^(a+b)."""
    bare = " ".join(text.split())
    if bare == "o" and before[-1:].isdigit():
        return "°"
    if not _attached(bare, before) or bare.casefold() in _ON_THE_LINE:
        return text
    return bare.translate(_RAISED) if _has_forms(bare) else f"^{_grouped(bare)}"


def lowered(text: str, before: str) -> str:
    """Return subscript `text` as it is written behind `before`: `H` and `2` give ₂, `101` and `2` give _2."""
    bare = " ".join(text.split())
    if not _attached(bare, before):
        return text
    # Behind a digit the small digit would still be read as one more digit.
    return bare.translate(_LOWERED) if _has_forms(bare) and not before[-1].isdigit() else f"_{_grouped(bare)}"


def _attached(bare: str, before: str) -> bool:
    """Whether the text would grow together with what stands before it; a note's mark such as [1] or * does not."""
    if not before or not bare:
        return False
    return (before[-1].isalnum() or before[-1] in ")]") and (bare[0].isalnum() or bare[0] in "+-\u2212(")


def _has_forms(bare: str) -> bool:
    return all(ord(character) in _RAISED for character in bare)


def _grouped(bare: str) -> str:
    return bare if len(bare) == 1 or bare.isdigit() else f"({bare})"
