"""Colours of CSS and of old HTML attributes, as far as they must be compared."""

import re

_HEX = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{4}|[0-9a-f]{6}|[0-9a-f]{8})")
_RGB = re.compile(r"rgba?\(\s*(\d+%?)[\s,]+(\d+%?)[\s,]+(\d+%?)\s*(?:[,/]\s*(\d*\.?\d+%?)\s*)?\)")
_HSL = re.compile(r"hsla?\([^)]*?[\s,](\d*\.?\d+)%\s*(?:[,/]\s*(?:1|1\.0*|100%)\s*)?\)")
_NAMED = {"white": "#ffffff", "black": "#000000", "red": "#ff0000", "lime": "#00ff00", "blue": "#0000ff"}
_NAMED |= {"yellow": "#ffff00", "gray": "#808080", "grey": "#808080", "silver": "#c0c0c0", "navy": "#000080"}


def read_colour(value: str) -> str:
    """Return the colour as `#rrggbb` where it is opaque and known; other names and functions as they are written."""
    value = value.strip().lower()
    if value in _NAMED:
        return _NAMED[value]
    if match := _HEX.fullmatch(value):
        digits = match[1]
        if len(digits) < 6:
            digits = "".join(2 * digit for digit in digits)
        return f"#{digits[:6]}" if digits[6:] in ("", "ff") else value
    if (match := _RGB.fullmatch(value)) and (match[4] is None or _share(match[4]) >= 1):
        return "#" + "".join(f"{min(255, round(_channel(part))):02x}" for part in match.groups()[:3])
    if (match := _RGB.fullmatch(value)) and match[4] is not None and not _share(match[4]):
        return "transparent"
    if match := _HSL.fullmatch(value):
        return {0.0: "#000000", 100.0: "#ffffff"}.get(float(match[1]), value)
    return value


def _share(text: str) -> float:
    return float(text.rstrip("%")) / (100 if text.endswith("%") else 1)


def _channel(text: str) -> float:
    return _share(text) * 255 if text.endswith("%") else float(text)
