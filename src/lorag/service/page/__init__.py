"""The page for people: ask, compare, see what is served, and look at the figures, in a browser without Node."""

from lorag.service.page.router import make_page

__all__ = ["make_page"]
