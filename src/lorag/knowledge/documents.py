"""The records that every loader returns and every later step reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lorag.digests import digest_of

BLOCK_GAP = "\n\n"
"""What is between two blocks in the text of a document."""


class BlockKind(StrEnum):
    """The kinds of block; all but paragraphs are kept whole where the size allows it."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    CODE = "code"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Block:
    """A top-level piece of a document, as plain text in reading order.

    `level` is 1..6 for a heading and 0 for everything else. A list keeps its markers, a table has its rows as
    `a | b | c` lines, and code keeps its line breaks. A heading is its bare text.
    """

    kind: BlockKind
    text: str
    level: int = 0


class Flag(StrEnum):
    """An oddity in a document that was indexed nevertheless.

    `hidden_text` was left out. `maybe_hidden` was kept: the file alone does not tell whether a reader sees it. With
    `linked_styles` a style sheet in another file may hide more. Of a `scanned_page`, a picture, nothing was read.
    """

    HIDDEN_TEXT = "hidden_text"
    MAYBE_HIDDEN = "maybe_hidden"
    LINKED_STYLES = "linked_styles"
    SCANNED_PAGE = "scanned_page"
    CONTROL_CHARACTERS = "control_characters"
    BAD_METADATA = "bad_metadata"
    NAME_CLASH = "name_clash"
    POSSIBLE_SECRET = "possible_secret"  # noqa: S105 - a code
    NEAR_DUPLICATE = "near_duplicate"


class Reason(StrEnum):
    """The reason why a document was quarantined: not indexed, and listed in the report; nothing else is affected."""

    EMPTY = "empty"
    EMPTY_AFTER_PARSE = "empty_after_parse"
    TOO_LARGE = "too_large"
    TYPE_MISMATCH = "type_mismatch"
    BAD_ENCODING = "bad_encoding"
    TOO_DEEP = "too_deep"
    UNSAFE_ARCHIVE = "unsafe_archive"
    PARSER_LIMIT = "parser_limit"
    PARSER_FAILED = "parser_failed"
    ENCRYPTED = "encrypted"
    NO_TEXT = "no_text"
    OUTSIDE_ROOT = "outside_root"
    SYMLINK_LOOP = "symlink_loop"
    NOT_REGULAR = "not_regular"
    UNREADABLE = "unreadable"
    CHANGED_DURING_READ = "changed_during_read"
    UNSUPPORTED = "unsupported"
    BAD_RECORD = "bad_record"
    DUPLICATE_ID = "duplicate_id"
    POSSIBLE_SECRET = "possible_secret"  # noqa: S105 - a code
    FORGOTTEN = "forgotten"
    PENDING = "pending"

    @property
    def is_fault(self) -> bool:
        """Whether something is wrong with the document.

        Not if its format is not read, if it is to be forgotten, or if its folder waits for an approval.
        """
        return self not in (Reason.UNSUPPORTED, Reason.FORGOTTEN, Reason.PENDING)


@dataclass(frozen=True, slots=True)
class Document:
    """One readable document.

    `id` is the path relative to the source, or the id of a record in `documents.jsonl`. `sources` lists every name
    under which the same bytes were found, `id` first. `metadata` holds strings only. `flags` counts oddities by name.
    """

    id: str
    title: str
    blocks: tuple[Block, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[Flag, int] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """A digest of the content: equal for equal title, blocks and metadata, whatever the document's id."""
        blocks = [[block.kind, block.level, block.text] for block in self.blocks]
        return digest_of([self.title, blocks, dict(self.metadata)])

    @property
    def text(self) -> str:
        """The text of all blocks in order, with a blank line between them."""
        return BLOCK_GAP.join(block.text for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that was quarantined: its escaped name, the reason, and a detail for a person."""

    name: str
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Corpus:
    """The content of a source folder: its documents, sorted by id, and the rejected ones."""

    documents: tuple[Document, ...]
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one document, small enough for the embedder.

    `context` is the document's title and the headings above the chunk, joined by ` > `; it is embedded with the text.
    The id names the content within its document, so a chunk that an edit did not touch keeps its id.
    """

    id: str
    document_id: str
    context: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    _content_hash: str | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def embedded_text(self) -> str:
        """The text that the embedder reads."""
        return f"{self.context}\n{self.text}" if self.context else self.text

    @property
    def content_hash(self) -> str:
        """The sha256 of everything that a search can return of this chunk."""
        # Cached: a refresh asks for it several times, and nothing that it depends on can change.
        if self._content_hash is None:
            value = digest_of([self.id, self.document_id, self.context, self.text, dict(self.metadata)])
            object.__setattr__(self, "_content_hash", value)
            return value
        return self._content_hash
