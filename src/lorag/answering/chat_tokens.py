"""Text that can no longer be mistaken for the control tokens of a chat template."""

import re

CHAT_TOKEN = re.compile(
    r"<(?=[|\uff5c][^<>\n]{0,60}[|\uff5c]>)"  # <|im_start|>, <|eot_id|>, DeepSeek's full-width bars
    r"|<(?=/?s>)"  # Llama 2, Mistral
    r"|<(?=/?(?:bos|eos|pad|unk|mask|start_of_turn|end_of_turn|start_of_image|think|tool_call|tool_response)>)"
    r"|<(?=</?SYS>>)"
    r"|<(?=/?(?:repo_?name|file_sep|filename|gh_stars|issue_\w{1,20}|jupyter_\w{1,20}|empty_output)>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|IMG)\])",
    re.IGNORECASE,
)
"""Matches the first character of a token; covers the templates in common use, not every one there is."""


def neutralise_chat_tokens(text: str) -> str:
    """The text with a visible space inside each chat token: `<|im_end|>` becomes `< |im_end|>`.

    For services whose tokenizer is out of reach; where token ids are ours, text is encoded without control tokens.
    """
    return CHAT_TOKEN.sub(lambda match: f"{match[0]} ", text)
