"""A process that folds a generated log into a file of views, to be killed or paused: `path seed events
page mode`.

`mode` is `run` (to the end; failpoints by the environment) or `pause` (says `ready` before its second page is
written, waits for a line, goes on). It prints each view's error, or `ok`, when it is done.
"""

import sys
from pathlib import Path
from random import Random

from infrastructure.failpoints import hit
from infrastructure.views import open_views
from tests.projections.support.generated import Generator


def main(path: str, seed: str, events: str, page: str, mode: str) -> None:
    begun = 0

    def pausing(name: str) -> None:
        nonlocal begun
        hit(name)
        if mode == "pause" and name == "projection.before_begin":
            begun += 1
            if begun == 6:
                print("ready", flush=True)
                sys.stdin.readline()

    log = Generator(Random(int(seed))).run(int(events))
    views = open_views(Path(path), log, page_size=int(page), hit=pausing)
    views.catch_up()
    for status in views.status():
        print(status.name, status.error or "ok", flush=True)
    views.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
