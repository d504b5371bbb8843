"""What a model folder says about text: its tokenizer, its chat template and the tokens that end an answer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from lorag.errors import WorkspaceError

_UNLIMITED = 1 << 30


@dataclass(frozen=True)
class ModelText:
    """The text side of a model folder, read without transformers.

    `special` maps names such as `bos_token` to the tokens that a template may use. `stop_ids` end an answer.
    `max_tokens` is the number of positions that the model knows.
    """

    tokenizer: Tokenizer
    template: str
    special: Mapping[str, str]
    stop_ids: frozenset[int]
    max_tokens: int

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder; raises WorkspaceError if tokenizer or chat template are missing or damaged."""
        try:
            settings = _read(folder / "tokenizer_config.json")
            special = _read(folder / "special_tokens_map.json") | settings
            tokens = {
                name: value["content"] if isinstance(value, dict) else value
                for name, value in special.items()
                if name.endswith("_token") and isinstance(value, str | dict)
            }
            tokenizer = _read_tokenizer(folder)
            config = _read(folder / "config.json")
            ends = [_read(folder / "generation_config.json").get("eos_token_id"), config.get("eos_token_id")]
            stops = {stop for end in ends for stop in (end if isinstance(end, list) else [end]) if stop is not None}
            if "eos_token" in tokens and (end := tokenizer.token_to_id(tokens["eos_token"])) is not None:
                stops.add(end)
            if not stops:
                raise ValueError("no token ends an answer")
            limit = config.get("max_position_embeddings") or _UNLIMITED
            return cls(tokenizer, _read_template(folder, settings), tokens, frozenset(stops), limit)
        # The reader of tokenizer.json raises bare exceptions.
        except Exception as error:
            raise WorkspaceError(
                f"cannot read the language model's tokenizer: {error}",
                where=str(folder),
                do="name a model folder with tokenizer.json and a chat template in `generation.model`",
            ) from error

    @cached_property
    def end_id(self) -> int:
        """The token that ends a turn, which training puts behind each answer."""
        named = self.tokenizer.token_to_id(self.special["eos_token"]) if "eos_token" in self.special else None
        return named if named is not None else min(self.stop_ids)

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return the conversation in the form of the chat template, up to where the assistant's answer begins."""
        return self._compiled.render(
            messages=messages, add_generation_prompt=True, tools=None, documents=None, **self.special
        )

    @cached_property
    def _compiled(self) -> jinja2.Template:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTag, loopcontrols]
        )
        environment.filters["tojson"] = lambda value, **how: json.dumps(value, ensure_ascii=False, **how)
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
        return environment.from_string(self.template)


class _GenerationTag(Extension):
    """The tag `generation`, by which some templates mark the assistant's words; it changes nothing here."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return the body of the block."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)


def _read_tokenizer(folder: Path) -> Tokenizer:
    if (folder / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    # An older form, which transformers converts.
    from transformers import AutoTokenizer

    converted: Tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True).backend_tokenizer
    return converted


def _read_template(folder: Path, settings: Mapping[str, Any]) -> str:
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    template = settings.get("chat_template")
    if isinstance(template, list):
        template = next((each["template"] for each in template if each.get("name") == "default"), None)
    if not isinstance(template, str):
        raise ValueError("there is no chat template")
    return template


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is no JSON object")
    return value
