import pytest

from lorag.answering.steps import asks_how, is_code, steps_near

INSTALL = """Deploying with Helm is simple:

1. Add the repository
   helm repo add kedacore https://kedacore.example/charts
2. Install the chart
   helm install keda kedacore/keda

To deploy the definitions apart, use the file on the releases page.

Check it by this command:

kubectl get pods -n keda"""


@pytest.mark.parametrize(
    ("question", "is_how_to"),
    [
        ("How do I install it with Helm?", True),
        ("how can the mill be stopped", True),
        ("What steps remove it?", True),
        ("Tell me how to log in", True),
        ("How many berths are there?", False),
        ("How deep is berth 4?", False),
        ("How long does a refresh take?", False),
        ("Who knows how to grind rye?", False),
    ],
)
def test_a_question_asks_how_to_do_something(question: str, is_how_to: bool) -> None:
    assert asks_how(question) == is_how_to


@pytest.mark.parametrize(
    "text",
    [
        "```sh\nserver start\n```",
        "cooldownPeriod:  300 # Optional. Default: 300 seconds",
        "- type: apache-kafka",
        "kubectl get pods -n keda",
        "microk8s enable keda",
        "# Including webhooks\nkubectl apply --server-side -f keda.yaml",
        "if (ready) {\n  start();\n}",
    ],
)
def test_code_is_known_without_its_fences(text: str) -> None:
    assert is_code(text)


@pytest.mark.parametrize(
    "text",
    [
        "It was opened in 1874.",
        "Note: if you uninstall the chart first, the objects stay.",
        "It can be disabled by removing the argument --enable-cert-rotation=true or setting it to false.",
        "- `queueLength` - Target value for scaling. (Default: `5`, Optional)",
        "| Berth | Depth |",
        "Deploying with Helm is simple:",
        "",
    ],
)
def test_sentences_items_and_rows_are_no_code(text: str) -> None:
    assert not is_code(text)


def steps_of(text: str, span: str) -> str | None:
    start = text.index(span)
    found = steps_near(text, start, start + len(span))
    return text[slice(*found)] if found else None


def test_all_steps_come_together_with_the_line_that_announces_them() -> None:
    steps = INSTALL[: INSTALL.index("\n\nTo deploy")]
    for span in ("2. Install the chart", "Deploying with Helm is simple:", "helm install keda kedacore/keda"):
        assert steps_of(INSTALL, span) == steps


def test_the_next_steps_follow_a_sentence_and_the_last_ones_precede_it() -> None:
    check = INSTALL[INSTALL.index("Check it") :]
    assert steps_of(INSTALL, "To deploy the definitions apart, use the file on the releases page.") == check
    text = f"{INSTALL}\n\nThat is all."
    assert steps_of(text, "That is all.") == check


def test_prose_has_no_steps() -> None:
    assert steps_of("It was opened in 1874. It has four berths.", "It has four berths.") is None


def test_long_instructions_are_cut_between_blocks_at_the_step_that_was_found() -> None:
    blocks = [f"run step-{number} --{'x' * 380}" for number in range(6)]
    text = "\n\n".join(["Do this:", *blocks])
    found = steps_of(text, blocks[3])
    assert found == "\n\n".join(blocks[3:6])
