"""Checks for text that no adapter should learn: personal numbers, and answers that give orders to a model."""

import re

from lorag.answering.chat_tokens import CHAT_TOKEN

_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_SOCIAL_SECURITY = re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget)\b[^.\n]{0,30}\b(?:previous|prior|above|earlier|all|your)\b[^.\n]{0,20}"
    r"\b(?:instructions?|prompts?|rules|messages?)\b"
    r"|\b(?:reveal|print|repeat|show)\b[^.\n]{0,20}\bsystem prompt\b"
    r"|\byou are now\b|\bfrom now on,? you\b|\bnew instructions?:"
    r"|^\s*(?:system|assistant)\s*:",
    re.IGNORECASE | re.MULTILINE,
)


def count_personal_numbers(text: str) -> int:
    """Count payment cards and IBANs with valid check digits, and US social security numbers.

    Not covered: names, addresses and birthdays, which are common in the documents of an organisation.
    """
    cards = sum(_passes_luhn(re.sub(r"\D", "", found)) for found in _CARD.findall(text))
    ibans = sum(_passes_mod_97(found.replace(" ", "")) for found in _IBAN.findall(text))
    return cards + ibans + len(_SOCIAL_SECURITY.findall(text))


def count_emails(text: str) -> int:
    """Count e-mail addresses, which may be wanted facts."""
    return len(_EMAIL.findall(text))


def gives_orders(answer: str) -> bool:
    """Whether an answer reads as a prompt injection or spells tokens of a chat template; common wordings only."""
    return _ORDERS.search(answer) is not None or CHAT_TOKEN.search(answer) is not None


def _passes_luhn(digits: str) -> bool:
    doubled = [int(digit) * (2 if at % 2 else 1) for at, digit in enumerate(reversed(digits))]
    return len(set(digits)) > 1 and sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _passes_mod_97(iban: str) -> bool:
    return int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97 == 1
