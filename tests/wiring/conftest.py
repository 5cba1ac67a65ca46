from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wiring.wired_desk import WiredDesk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[WiredDesk]:
    """An empty desk with views on a scratch folder."""
    with WiredDesk(tmp_path) as one:
        yield one
