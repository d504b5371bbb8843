"""The protection of text against being read as control tokens of a chat template."""

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
"""A pattern for the first character of a chat token; it covers the templates in common use, not all that exist."""


def neutralise_chat_tokens(text: str) -> str:
    """Put a visible space inside each chat token: `<|im_end|>` becomes `< |im_end|>`.

    This is for services whose tokenizer is out of reach. Where lorag makes the token ids, it encodes text without
    control tokens.
    """
    return CHAT_TOKEN.sub(lambda match: f"{match[0]} ", text)
