"""A desk whose runs can be completed with given metrics, and whose policy is let act on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alerts.alert_desk import AlertDesk
from tests.support.desk import predictions
from tests.support.valid import NOW


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[AlertDesk]:
    with AlertDesk(tmp_path) as opened:
        opened.ready(alert_rules=())
        opened.promoted()
        opened.inferred(predictions(NOW))
        opened.follow()
        yield opened
