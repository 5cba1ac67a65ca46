"""A process that owns a data folder: opens the service, says so, and keeps creating datasets until told."""

import sys
from pathlib import Path

from application.bus import Sender
from domain.dataset.commands import CreateDataset
from domain.shared.activity import Actor
from domain.shared.errors import RuleBroken
from infrastructure.bootstrap import Service, open_service
from infrastructure.settings import Settings
from tests.support.valid import declaration


def create(service: Service, name: str) -> None:
    """One command, seen in the views."""
    sender = Sender(tenant=service.settings.tenant, actor=Actor(principal="p_author"))
    outcome = service.bus.send(CreateDataset(name=name, declaration=declaration()), sender)
    service.queries.wait(outcome.position, 10.0)


def main(folder: Path) -> None:
    """One line on standard input is one dataset; its end is ours."""
    try:
        service = open_service(Settings(data=folder, run_slots=0))
    except RuleBroken as broken:
        print(f"{broken.code}: {broken.detail}", flush=True)
        return
    print("open", flush=True)
    for line in sys.stdin:
        create(service, line.strip())
        print(service.log.head(), flush=True)
    service.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
