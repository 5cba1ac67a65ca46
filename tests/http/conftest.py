"""A real service for each test, and one with a whole life for tests that only read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.life import Life, living


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with living(tmp_path / "data") as one:
        yield one


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """spx-alpha with two versions, the second promoted over the first, rolled back, and one inference."""
    with living(tmp_path_factory.mktemp("lived") / "data") as one:
        one.ready_instance()
        one.promoted(reason="first version, gate passed")
        one.promoted(reason="retrained")
        one.post("/instances/spx-alpha/rollback", {"reason": "rehearsal"})
        one.inferred()
        one.get("/ready", after=one.head())
        yield one


@pytest.fixture(scope="session")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """A service with a dataset, a definition and an instance, for requests that must change nothing."""
    with living(tmp_path_factory.mktemp("refusing") / "data") as one:
        one.ready_instance()
        yield one
