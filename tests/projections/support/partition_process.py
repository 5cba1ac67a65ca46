"""A process that folds the partitions of a generated log, to be killed or paused: `url seed events partitions
page mode place`.

It takes every partition over and folds each to its end, page by page in turn. `mode` is `run` (failpoints by
the environment) or `pause` (says `ready` at the eighth hit of `place`, waits for a line, goes on). In the end
it prints `done`, or the error that stopped it.
"""

import sys
from random import Random

from infrastructure.failpoints import hit
from infrastructure.views import PROJECTIONS
from tests.projections.support.generated import Generator
from tests.projections.support.partitions import Partitions

TENANTS = tuple(f"tenant-{number}" for number in range(12))


def main(url: str, seed: str, events: str, count: str, page: str, mode: str, place: str) -> None:
    hits = 0

    def pausing(name: str) -> None:
        nonlocal hits
        hit(name)
        hits += name == place
        if mode == "pause" and name == place and hits == 8:
            print("ready", flush=True)
            sys.stdin.readline()

    log = Generator(Random(int(seed)), tenants=TENANTS).run(int(events))
    parts = Partitions(url, log, int(count))
    views = parts.views(PROJECTIONS, pausing)
    print("begins", flush=True)
    try:
        parts.assign(views)
        while sum(parts.feed(views, each, int(page)) for each in parts.at):
            pass
        print("done", flush=True)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", flush=True)
    parts.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
