"""MDX: Markdown with JSX."""

from lorag.knowledge.formats.markdown import parse_mdx as parse

__all__ = ["parse"]
