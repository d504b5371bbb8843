"""Formulas of MathML and of Office documents on one line: fractions, powers, indices and roots keep their meaning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lorag.knowledge.formats.raised import lowered, raised

_SIMPLE = frozenset(".,\u2032")


@dataclass(slots=True)
class Formula:
    """An element of a formula: its name without namespace in lower case, its text, and the elements inside it."""

    name: str
    text: str = ""
    children: list["Formula"] = field(default_factory=list)


def formula_text(formula: Formula) -> str:
    """Return the formula on one line, such as `(a+b)/2`, `10⁶` and `√(x)`."""
    return " ".join(_write(formula).split())


def _write(node: Formula) -> str:
    parts = [_write(child) for child in node.children]
    if node.name in _NAMED:
        # Office formulas name their parts by elements without a text of their own, in the order of MathML.
        return _NAMED[node.name]([part for part in parts if part.strip()])
    if node.name in _LEFT_OUT:
        return ""
    if node.name == "mo" and (sign := "".join(parts).strip()) and sign in "=<>≤≥≈±→":
        return f" {sign} "
    if node.name in ("mtr", "mr"):
        return ", ".join(parts) + "; "
    if node.name in ("mtable", "m"):
        return f"[{''.join(parts).strip().removesuffix(';')}]"
    if node.name == "eqarr":
        return "; ".join(parts)
    if node.name == "func":
        return " ".join(parts)
    if node.name == "nary":
        return _large_operator(node)
    return node.text + "".join(parts)


def _fraction(parts: Sequence[str]) -> str:
    return "/".join(_grouped(part) for part in parts)


def _power(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    base = _grouped(parts[0])
    return base + _attached(raised, parts[1], base, "^")


def _index(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return parts[0] + _attached(lowered, parts[1], parts[0], "_")


def _both(parts: Sequence[str]) -> str:
    if len(parts) < 3:
        return _index(parts)
    low = _index(parts[:2])
    return low + _attached(raised, parts[2], parts[0], "^")


def _attached(write: Callable[[str, str], str], text: str, before: str, sign: str) -> str:
    small = write(text, before.rstrip())
    return small if small != text else sign + _grouped(text)


def _root(parts: Sequence[str]) -> str:
    return f"√({''.join(parts)})"


def _nth_root(parts: Sequence[str]) -> str:
    return f"root({', '.join(parts)})"


def _large_operator(node: Formula) -> str:
    """Return a sum or integral of an Office formula, whose parts may be missing; its sign is the element's text."""
    found = {child.name: _write(child) for child in node.children}
    low = f"_{_grouped(found['sub'])}" if found.get("sub", "").strip() else ""
    high = f"^{_grouped(found['sup'])}" if found.get("sup", "").strip() else ""
    return f"{node.text or '∫'}{low}{high} {found.get('e', '')}"


def _fence(parts: Sequence[str]) -> str:
    return f"({', '.join(parts)})"


def _grouped(text: str) -> str:
    text = text.strip()
    simple = all(character.isalnum() or character in _SIMPLE for character in text)
    return text if simple or (text.startswith("(") and text.endswith(")") and text.count("(") == 1) else f"({text})"


_LEFT_OUT = frozenset("annotation annotation-xml mphantom maligngroup malignmark".split())
_NAMED: dict[str, Callable[[Sequence[str]], str]] = {
    "mfrac": _fraction,
    "msup": _power,
    "msub": _index,
    "msubsup": _both,
    "munder": _index,
    "mover": _power,
    "munderover": _both,
    "msqrt": _root,
    "mroot": _nth_root,
    "mfenced": _fence,
    "f": _fraction,
    "ssup": _power,
    "ssub": _index,
    "ssubsup": _both,
    "limlow": _index,
    "limupp": _power,
    "rad": lambda parts: _root(parts) if len(parts) < 2 else _nth_root([parts[1], parts[0]]),
    "d": _fence,
}
