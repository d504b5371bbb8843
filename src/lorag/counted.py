"""Numbers with the nouns that they count."""


def noun_for(n: float, noun: str, plural: str = "") -> str:
    """Return the noun in the form for a number: itself for 1, else its plural, which is formed unless it is given."""
    if n == 1:
        return noun
    ends_in_ies = noun.endswith("y") and noun[-2:-1] not in "aeiou"
    return plural or (f"{noun[:-1]}ies" if ends_in_ies else f"{noun}s")


def counted(n: int, noun: str, plural: str = "") -> str:
    """Return the number with the noun, as in `1 query` and `1,234 queries`."""
    return f"{n:,} {noun_for(n, noun, plural)}"
