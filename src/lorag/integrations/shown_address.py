"""Addresses of servers as they are printed and kept."""

from urllib.parse import urlsplit


def shown_address(address: str) -> str:
    """Return the address without user, password, query and fragment, any of which may hold a secret."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "an address that cannot be read"
    if not parts.netloc:
        return address
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
