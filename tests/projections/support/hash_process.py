"""A process that folds stored events in pages of a size and prints the state hash of every view: `events
page`.
"""

import sys
import tempfile
from pathlib import Path

from infrastructure.views import open_views
from tests.projections.support.stored_events import load


def main(events: str, page: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        views = open_views(Path(folder) / "views.sqlite", load(Path(events)), page_size=int(page))
        views.catch_up()
        for each in views.state_hashes():
            print(each.projection, each.position, each.sha256)
        views.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
