from collections.abc import Iterator
from pathlib import Path

import pytest

from application.policies import runner
from projections.engine import projector
from tests.wiring.wired_desk import WiredDesk


@pytest.fixture(autouse=True)
def _short_stops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop waits for the listening in hand, twice a quarter second, and most tests here close something.

    Those that measure a stop have it as it is.
    """
    if request.node.get_closest_marker("quiet") is None:
        monkeypatch.setattr(runner, "_WAIT_S", 0.05)
        monkeypatch.setattr(projector, "_LISTEN_S", 0.05)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[WiredDesk]:
    """An empty desk with views on a scratch folder."""
    with WiredDesk(tmp_path) as one:
        yield one
