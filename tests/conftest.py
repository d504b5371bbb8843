import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, so that no process is left alone with one of them at the end."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)
