"""The whole of production on this machine, once a session: PostgreSQL, Kafka and every role."""

from collections.abc import Iterator

import pytest

from tests.support.compose import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything runs and is ready; tests leave it so."""
    made = Stack(tmp_path_factory.mktemp("stack"))
    try:
        made.start()
        made.wait_ready()
        yield made
    finally:
        made.close()
