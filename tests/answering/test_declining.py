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


USUAL = """
I'm not able to find that information in the provided context.
I couldn't find any information about that in the documents.
I could not find an answer to your question.
The context does not provide enough information to answer this question.
There isn't enough information to answer.
There is not enough information in the text to answer the question.
There is insufficient information to determine the answer.
The provided passages do not contain information about the price.
Based on the provided context, I cannot determine the answer.
Based on the information provided, it is not possible to determine the depth.
It is not possible to answer this question from the given text.
I'm sorry, but the documents do not mention that.
I apologize, but I don't have information about that.
Unfortunately, the text doesn't say.
The answer is not in the context.
The answer is not provided in the text.
This information is not available.
No answer found.
No relevant information found.
Not enough information.
Not mentioned.
Not specified in the context.
Not applicable.
None of the documents mention this.
None of the passages answer the question.
Nothing in the text says who owns it.
Neither passage mentions the owner.
As an AI language model, I do not have access to that information.
I have no information about that.
I have no idea.
I lack the information to answer.
I can't answer that based on the context.
I am unable to answer.
I'm afraid I don't know.
We do not know.
It's unclear from the text.
It is unclear who runs it.
The question cannot be answered from the given information.
The text provides no information about the owner.
The documents make no mention of it.
Sorry, no information on that was found.
I don't think the documents say.
That is not something I can answer.
The context is insufficient to answer.
Cannot be determined.
Cannot answer.
Unable to determine.
Unanswerable.
No idea.
Don't know.
Idk
"""


@pytest.mark.parametrize("text", USUAL.strip().splitlines())
def test_strangers_19_usual_ways_to_decline_are_seen(text: str) -> None:
    assert is_declined(text)


ANSWERS = """
The berth is not available on Sundays.
No, the harbour is closed.
There is no charge.
It is not possible to moor at night.
None of the cranes is for sale.
Nothing is charged on Sundays.
The context switch takes 5 ms.
Neither gate is open at night.
No idling in the harbour.
Not before 9:00.
Not on Sundays.
Unable to start, the crane needs a fuse.
I have no dog, says the clerk.
The information board is at the gate.
It is unclear water that harms the pump.
Sorry signs are posted at the gate.
The text is set in Garamond.
The passage is 3 metres wide.
The document does not expire.
No answer is needed: the bell rings at noon.
"""


@pytest.mark.parametrize("text", ANSWERS.strip().splitlines())
def test_an_answer_that_says_no_declines_nothing(text: str) -> None:
    assert not is_declined(text)
