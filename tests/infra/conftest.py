"""PostgreSQL, a bucket and the servers on top of them, each started once for all tests of this folder."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests import servers


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    with servers.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """What a client of the bucket `lorag` needs to be told."""
    with servers.s3(tmp_path_factory.mktemp("s3")) as server:
        yield server.environment
