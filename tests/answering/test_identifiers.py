import pytest

from lorag.answering.identifiers import dotted_in, is_about_other, is_entry, is_heading, named_in, states_name


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What is the default of `cooldownPeriod`?", ("cooldownPeriod",)),
        ("What is the default of cooldownPeriod?", ("cooldownPeriod",)),
        ("What does max_tokens limit, and `tls`?", ("max_tokens", "tls")),
        ("What does `kubectl get pods` print?", ()),
        ("Does GitHub or PostgreSQL start first?", ()),
        ("How deep is berth 4?", ()),
        ("What does --force-with-lease do when pushing?", ("--force-with-lease",)),
        ("Is a well--known place -- or a range a--b -- meant?", ()),
    ],
)
def test_identifiers_are_named_in_backticks_or_by_their_form(question: str, names: tuple[str, ...]) -> None:
    assert named_in(question) == names


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What is the default of gc.auto?", ("gc.auto",)),
        ("What is in pyproject.toml and spec.template.name?", ("pyproject.toml", "spec.template.name")),
        ("Is it e.g. 2.5 m, or v1.2?", ()),
    ],
)
def test_names_with_a_dot_are_found(question: str, names: tuple[str, ...]) -> None:
    assert dotted_in(question) == names


@pytest.mark.parametrize(
    ("text", "is_stated"),
    [
        ("--force: Push anyway.", True),
        ("git push [--[no-]force] <ref>", True),
        ("Use --force=yes.", True),
        ("Use --force-with-lease.", False),
        ("Use force.", False),
    ],
)
def test_an_option_is_stated_with_its_dashes(text: str, is_stated: bool) -> None:
    assert states_name(text, "--force") == is_stated


@pytest.mark.parametrize(
    ("text", "is_stated"),
    [
        ("The cooldownPeriod is 300.", True),
        ("Set spec.cooldownPeriod: 300", True),
        ("The `CooldownPeriod`.", True),
        ("The initialCooldownPeriod is 120.", False),
        ("The cooldownPeriodSeconds is 120.", False),
        ("The my-cooldownPeriod is 120.", False),
    ],
)
def test_only_a_whole_identifier_is_stated(text: str, is_stated: bool) -> None:
    assert states_name(text, "cooldownPeriod") == is_stated


def test_a_heading_that_is_an_identifier_says_what_is_below_it() -> None:
    assert is_heading("Spec > cooldownPeriod", "cooldownPeriod")
    assert not is_heading("cooldownPeriod > Example", "cooldownPeriod")
    assert is_about_other("Spec > initialCooldownPeriod", ["cooldownPeriod"])
    assert not is_about_other("Spec > cooldownPeriod", ["cooldownPeriod"])
    assert not is_about_other("Spec > Overview", ["cooldownPeriod"])


@pytest.mark.parametrize(
    ("text", "is_its_entry"),
    [
        ("- timeout - How long a request may take. (Default: 30)", True),
        ("- `timeout`: how long a request may take", True),
        ("timeout (integer) - how long a request may take", True),
        ("timeout | 30 | how long a request may take", True),
        ("> timeout \u2013 how long", True),
        ("- timeoutMs - How long a request may take.", False),
        ("- delay - How long a timeout is put off.", False),
        ("The timeout - if there is one - is 30.", False),
        ("timeout is 30", False),
    ],
)
def test_an_entry_begins_with_the_identifier_and_a_mark(text: str, is_its_entry: bool) -> None:
    assert is_entry(text, "timeout") == is_its_entry
