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


def without_user(text: str, address: str) -> str:
    """Return a text, such as that of an error, without the user and the password that the address has in it."""
    try:
        user = urlsplit(address).netloc.rpartition("@")[0]
    except ValueError:
        return text
    return text.replace(f"{user}@", "") if user else text
