import pytest

from lorag.answering.declining import DECLINE, NOTHING_FOUND, is_declined


@pytest.mark.parametrize(
    ("text", "declined"),
    [
        (DECLINE, True),
        (NOTHING_FOUND, True),
        ("I don't know.", True),
        ("I don\u2019t know the answer to that.", True),
        ("i do not know", True),
        ("Unknown", True),
        ("Not known.", True),
        ("7.25 metres", False),
        ("It is not known for its depth, which is 4 metres.", False),
        ("Sorry, but I cannot answer that.", True),
        ("I'm not sure.", True),
        ("The text does not say.", True),
        ("The provided context doesn't explicitly mention the owner.", True),
        ("There is no information about the price.", True),
        ("No information is given.", True),
        ("It is not stated in the text.", True),
        ("The price of a berth is not mentioned.", True),
        ("Based on the passage, it is unclear who owns it.", True),
        ("The answer cannot be determined from the text.", True),
        ("Unfortunately, I do not have that information.", True),
        ("There is no answer in the text.", True),
        ("N/A", True),
        ("The scaler does not support TLS.", False),
        ("There is no roof.", False),
        ("No, it is closed.", False),
        ("The key is not in the office but in the shed.", False),
        ("The information desk is open from 9:00.", False),
        ("The clerk does. I do not know.", False),
        ("I do", False),
        ("", False),
        ("...", False),
    ],
)
def test_a_refusal_opens_the_answer(text: str, declined: bool) -> None:
    assert is_declined(text) is declined
