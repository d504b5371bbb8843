import pytest

from lorag.answering.qualifiers import (
    defines,
    gives_reason,
    has_qualifiers,
    is_opposite,
    is_pointer,
    tells_to_do,
    term_of,
)


@pytest.mark.parametrize(
    ("question", "text", "has"),
    [
        ("What is the default timeout?", "The timeout is 30 s by default.", True),
        ("What is the default timeout?", "If set to a value such as 120, it waits longer.", False),
        ("default region", "Values: EU, US, Default: US", True),
        ("What is the default size?", "Non-default values change the minimum value.", False),
        ("What is the maximum size?", "At most 4 MB are read.", True),
        ("What is the maximum size?", "The minimum size is 4 MB.", False),
        ("What is the minimum size?", "The minimum size is 4 MB.", True),
        ("How large is it?", "It is 4 MB.", True),
    ],
)
def test_a_default_a_least_and_a_most_have_to_be_said(question: str, text: str, has: bool) -> None:
    assert has_qualifiers(text, question) is has


@pytest.mark.parametrize(
    ("question", "text", "is_it"),
    [
        ("How do I pause scaling?", "To enable/unpause autoscaling again, simply remove all paused annotations.", True),
        ("How do I pause scaling?", "You can pause it by adding the annotation.", False),
        ("How do I unpause scaling?", "You can pause it by adding the annotation.", True),
        ("How do I install it?", "To uninstall it, run this.", True),
        ("How do I install it?", "To install or uninstall it, run this.", False),
        ("How do I disable the log?", "Logging is enabled with -v.", True),
        ("How do I add a key?", "Run `keys remove` to remove one.", True),
        ("What is the log for?", "Logging is enabled with -v.", False),
    ],
)
def test_a_text_on_undoing_what_is_asked_for_is_its_opposite(question: str, text: str, is_it: bool) -> None:
    assert is_opposite(text, question) is is_it


@pytest.mark.parametrize(
    ("text", "is_it"),
    [
        ("For more details please refer to the CPU scaler.", True),
        ("See the reference.", True),
        ("More information can be found here.", True),
        ("Please see the section on triggers.", True),
        ("The reader sees the page first.", False),
        ("For more than one replica, set `replicas`.", False),
        ("Information on how to test commands can be found in the testing docs.", True),
        ("You can find more in the FAQ.", True),
        ("A key is found by its name.", False),
    ],
)
def test_a_pointer_says_where_to_read_more(text: str, is_it: bool) -> None:
    assert is_pointer(text) is is_it


@pytest.mark.parametrize(
    ("question", "term"),
    [
        ("What is a trigger?", "trigger"),
        ("what's KEDA", "KEDA"),
        ("What is the default of x?", None),
        ("What is the depth of berth 4?", None),
        ("How is it?", None),
    ],
)
def test_the_term_is_what_a_definition_is_asked_of(question: str, term: str | None) -> None:
    assert term_of(question) == term


def test_a_definition_begins_with_its_term() -> None:
    assert defines("A trigger is what starts it.", "trigger") and defines("KEDA (short) lets you scale.", "keda")
    assert not defines("Set a trigger.", "trigger") and not defines("Triggers of (a+ are set.", "(a+")


def test_reasons_and_instructions_are_told_by_their_words() -> None:
    assert gives_reason("It is needed because the file is long.", "Why is it needed?")
    assert not gives_reason("It is needed because the file is long.", "When is it needed?")
    assert not gives_reason("It is long.", "Why is it long?")
    assert tells_to_do("Pass `nl=False`.") and tells_to_do("It works by using a key.")
    assert not tells_to_do("It is long.")
