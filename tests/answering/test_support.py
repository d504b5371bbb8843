import pytest

from lorag.answering.support import Verdict, is_claim, judge_claim, quantities

STATED, UNSTATED, CONTRADICTED = Verdict.STATED, Verdict.UNSTATED, Verdict.CONTRADICTED
OPENS = "The museum opens at 9:00 on weekdays."

CLAIMS = [
    # claim, question, sentence, verdict
    ("308", "How many points did they give up?", "They gave up just 308 points.", STATED),
    ("307", "How many points did they give up?", "They gave up just 308 points.", CONTRADICTED),
    ("1,000 people", "How many live there?", "About 1000 people live there.", STATED),
    ("two", "How many failures can it tolerate?", "It can tolerate 2 member failures.", STATED),
    ("The answer is 5.", "How many may fail?", "It can tolerate two member failures.", CONTRADICTED),
    ("The answer to the question is: 5.", "How many of five may fail?", "Two of five may fail.", UNSTATED),
    ("Five", "May two or five of five fail?", "Two of them may fail.", CONTRADICTED),
    ("The king opened it in 1981.", "What did the king open in 1981?", "The king opened a bridge in 1981.", UNSTATED),
    ("John Elway leads it.", "What does John Elway do?", "Peyton Manning leads it.", CONTRADICTED),
    ("-18", "How cold was it?", "It was 18 degrees.", CONTRADICTED),
    ("1 second", "What is the heartbeat interval?", "The heartbeat interval is 1000ms.", STATED),
    ("500 seconds", "What is the heartbeat interval?", "The heartbeat interval is 1000ms.", CONTRADICTED),
    ("500 seconds", "What is the timeout?", "The timeout is 500ms.", CONTRADICTED),
    ("12 dollars", "What does entry cost?", "Entry costs 12 euros.", CONTRADICTED),
    ("$12", "What does entry cost?", "Entry costs 12 dollars.", STATED),
    ("4 million", "How many came?", "There were 4,000,000 visitors.", STATED),
    ("in the 1990s", "When did it begin?", "It began in the 1990s.", STATED),
    ("9:00", "When does it open?", OPENS, STATED),
    ("It opens at 10:00 on weekdays.", "When does it open?", OPENS, CONTRADICTED),
    ("9:30", "When does it open?", "It opens at 9:00 and closes at 17:30.", CONTRADICTED),
    ("Berth 4 is 7.2 metres deep [1].", "How deep is berth 4?", "Berth 4 is 7.2 metres deep.", STATED),
    ("Berth 4 is 7.2 metres deep\u30101\u3011.", "How deep is berth 4?", "Berth 4 is 7.2 metres deep.", STATED),
    ("Berth 4 is 7.2 metres deep (source 1).", "How deep is berth 4?", "Berth 4 is 7.2 metres deep.", STATED),
    ("1. Open the valve.", "What comes first?", "Open the valve.", STATED),
    ("Ilse Brandt", "Who designed it?", "It was designed by Ilse Brandt.", STATED),
    ("Ilse Holt", "Who designed it?", "It was designed by Ilse Brandt.", CONTRADICTED),
    (
        "The harbour was designed by Ilse Brandt.",
        "Who designed the harbour?",
        "It was the work of Ilse Brandt.",
        STATED,
    ),
    ("guru", "How are packets routed?", "The packets are routed individually.", UNSTATED),
    ("The packets are routed guru.", "How are packets sent?", "The packets are routed individually.", CONTRADICTED),
    ("The packets are not routed individually.", "", "The packets are routed individually.", CONTRADICTED),
    ("The packets are routed individually.", "", "The packets are not routed individually.", CONTRADICTED),
    ("The museum is open on Sunday.", "When?", "On Sunday the museum, which is old, is not open.", CONTRADICTED),
    ("The museum does not open on Sunday.", "", "On Sunday the museum is not open.", STATED),
    ("Yes", "Is the museum open on Sunday?", "On Sunday the museum is open.", STATED),
    ("Yes.", "Is the museum open on Sunday?", "On Sunday the museum is not open.", CONTRADICTED),
    ("No, it is not.", "Is the museum open on Sunday?", "On Sunday the museum is not open.", STATED),
    ("No", "Is the museum open on Sunday?", "On Sunday the museum is open.", CONTRADICTED),
    ("Yes", "Is the museum open on Sunday?", "The mill grinds rye.", UNSTATED),
    ("Napoleon", "Who owns it?", "the owner is not known.", UNSTATED),
    ("10", "What is the default of the `lag` parameter?", "- `lag` - Lag to scale at. (Default: `10`)", STATED),
    ("10", "What is the default of the `lag` parameter?", "- `size` - Size to scale at. (Default: `10`)", UNSTATED),
]


@pytest.mark.parametrize(("claim", "question", "sentence", "verdict"), CLAIMS)
def test_a_claim_is_judged_by_its_values_and_negations(
    claim: str, question: str, sentence: str, verdict: Verdict
) -> None:
    assert judge_claim(claim, question, sentence, "", 1.0).verdict is verdict


def test_headings_count_but_state_nothing_alone() -> None:
    claim, question = "The harbour of Veldmark was opened in 1874.", "When?"
    assert judge_claim(claim, question, "It was opened in 1874.", "Harbour of Veldmark", 1.0).verdict is STATED
    assert judge_claim("Veldmark", "Where?", "It was opened in 1874.", "Harbour of Veldmark", 1.0).verdict is UNSTATED


def test_the_share_of_other_words_is_a_limit() -> None:
    claim, sentence = "Old ships lie at anchor quietly", "ships lie at anchor"
    judged = judge_claim(claim, "", sentence, "", 0.5)
    assert judged.verdict is STATED and judged.share == pytest.approx(3 / 5)
    assert judge_claim(claim, "", sentence, "", 0.8).verdict is UNSTATED


@pytest.mark.parametrize(
    ("sentence", "question", "claims"),
    [
        ("It opens.", "", True),
        ("Yes", "Is it open?", True),
        ("Yes", "What is it?", False),
        ("[1]", "", False),
        ("", "", False),
    ],
)
def test_only_what_a_text_could_state_is_a_claim(sentence: str, question: str, claims: bool) -> None:
    assert is_claim(sentence, question) is claims


def test_quantities_are_in_the_base_unit_of_their_kind() -> None:
    found = [
        (round(quantity.value, 3), quantity.kind) for _, quantity in quantities("1.5 km, 20 %, \u20ac45, two hours, 7")
    ]
    assert found == [(1500.0, "length"), (20.0, "share"), (45.0, "euro"), (7.0, None), (7200.0, "time")]
