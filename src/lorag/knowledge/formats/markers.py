"""The markers of numbered lists: decimal, letters and Roman numerals."""

_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"))
_ROMAN_BELOW_40 = ((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))


def marker_of(number: int, style: str = "1") -> str:
    """Return the number without its point, in the style of HTML's `<ol type>`: 1, a, A, i or I."""
    if number < 1 or style not in ("a", "A", "i", "I"):
        return str(number)
    text = _letters(number) if style in ("a", "A") else _roman(number)
    return text.upper() if style in ("A", "I") else text


def _letters(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number - 1, 26)
        text = chr(ord("a") + digit) + text
    return text


def _roman(number: int) -> str:
    if number >= 4_000:
        return str(number)
    text = ""
    for value, letters in _ROMAN + _ROMAN_BELOW_40:
        count, number = divmod(number, value)
        text += letters * count
    return text
