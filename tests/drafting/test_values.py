import pytest

from lorag.drafting.values import ValueKind, find_values

FOUND = {
    "a number with its unit": ("The lamp waits 30 seconds.", [("quantity", "30 seconds")]),
    "money": ("A share costs \u00a345 a year.", [("quantity", "\u00a345")]),
    "a time of day": ("The galley opens at 06:50 on weekdays.", [("date", "06:50")]),
    "a date": ("The season opens on 12 May each year.", [("date", "12 May")]),
    "a version": ("It was removed in version 2.16 of the tool.", [("version", "2.16")]),
    "an identifier": ("Set retryDelay to wait longer.", [("identifier", "retryDelay")]),
    "an option": ("Run it with --dry-run to look first.", [("identifier", "--dry-run")]),
    "quoted words": ('The page says "closed for repair" then.', [("quoted", "closed for repair")]),
    "a name of two words": ("The yard manager is Bertrand Oakes.", [("name", "Bertrand Oakes")]),
    "the first word of a sentence is no name": ("Manifests are kept in the hall.", []),
    "a word behind a colon is no name": ("Note: Memory is not counted there.", []),
    "a unit that is a rate is not cut": ("It stays below 3.8 mm/s all day.", []),
    "an abbreviation is no identifier": ("Use a chart, e.g. the old one.", []),
    "a value that stands twice is no answer": ("From 5 days to 5 days it grows.", []),
}


@pytest.mark.parametrize("case", FOUND)
def test_the_values_of_a_sentence(case: str) -> None:
    sentence, wanted = FOUND[case]
    assert [(value.kind.value, value.text) for value in find_values(sentence, "")] == wanted
    assert all(sentence[value.start : value.end] == value.text for value in find_values(sentence, ""))


def test_what_the_headings_say_is_not_asked_for() -> None:
    sentence = "The pilot of the day is Casimir Holt."
    assert [value.kind for value in find_values(sentence, "Pilots")] == [ValueKind.NAME]
    assert find_values(sentence, "Pilots > Casimir Holt") == []
