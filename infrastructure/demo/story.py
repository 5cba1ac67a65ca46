"""The demonstration: real data, definitions of all five categories, training to rollback, models on models,
a shift in the data and its alert, the past, refusals, and the proof.

Everything it prints comes from the log and is asserted before it is printed.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from domain.shared.errors import RuleBroken
from infrastructure.activity_log.ownership import Ownership
from infrastructure.bootstrap import Service, log_path, open_service
from infrastructure.demo import chain, chapters, past, proof, refusals, shift
from infrastructure.demo.account import Account, ClaimFailed
from infrastructure.demo.stage import Stage
from infrastructure.settings import Settings

_MARK = ".demo"


def run(data: Path, *, full: bool = False, out: TextIO | None = None) -> int:
    """Play the demonstration in `data`, emptied first; returns 0, or 1 if something it says is not true."""
    account = Account(out)

    def play() -> None:
        _empty(data)
        _play_embedded(data, account, full=full)

    return _told(play, account)


def run_in_production(settings: Settings, *, full: bool = False, out: TextIO | None = None) -> int:
    """Play it on the roles that run on the database and the store of the settings, as their tenant.

    The tenant must have no data yet. Returns as `run` does.
    """
    from infrastructure.roles.wiring import open_core, service_of

    account = Account(out)

    def play() -> None:
        with ExitStack() as opened, tempfile.TemporaryDirectory() as scratch:
            service = service_of(open_core(settings, opened, role="demo"))
            account.line(f"OptAIC MLOps · production roles · tenant {settings.tenant}")
            _play(service, Path(scratch), account, full=full)
            head, seconds = service.log.head(), account.seconds()
            account.line(f"\nEverything above came from a log of {head} events, {seconds:.0f} s.")

    return _told(play, account)


def _told(play: Callable[[], None], account: Account) -> int:
    """The exit status; what was not true or was refused is the last thing said."""
    try:
        play()
    except ClaimFailed as failed:
        account.line(f"\nNOT TRUE  {failed}")
        return 1
    except RuleBroken as broken:
        account.line(f"\nREFUSED  {broken.code}: {broken.detail}\n         → {broken.remedy}")
        return 1
    return 0


def _empty(data: Path) -> None:
    """Start afresh, but only where an earlier demonstration was played or nothing is."""
    if data.exists() and any(data.iterdir()) and not (data / _MARK).exists():
        raise ClaimFailed(f"{data} holds other data; choose an empty folder")
    if log_path(data).exists():
        Ownership(log_path(data)).release()  # a service that lives on this folder keeps it
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    (data / _MARK).touch()


def _play_embedded(data: Path, account: Account, *, full: bool) -> None:
    account.line(f"OptAIC MLOps · embedded mode · fresh data folder {_short(data)} · no account, no network")
    service = open_service(Settings(data=data))
    try:
        _close(_play(service, data, account, full=full), data)
    finally:
        service.close()


def _play(service: Service, scratch: Path, account: Account, *, full: bool) -> Stage:
    account.line(
        'Two clocks: [n] = a position in our activity log; "as of" = what the world knew at that moment.'
    )
    stage = Stage(service, account, service.settings.tenant)
    with account.part(1, "Data: real figures, every row with the moment it became known"):
        chapters.data(stage)
    with account.part(2, "Definitions: a package of code, checked in a process of its own"):
        chapters.definitions(stage)
    with account.part(3, "Train, promote, predict"):
        told = chapters.models(stage)
    with account.part(4, "Models on models: signals combined, the combination filtered, out of sample"):
        chain.play(stage, full=full)
    with account.part(5, "Data that shift: an alert is raised, and resolves by itself after the repair"):
        shift.play(stage)
    with account.part(6, "Ask the log about the past"):
        past.ask(stage, told)
    with account.part(7, "Refused, with the reason, and not one event written for it"):
        refusals.show(stage, told)
    with account.part(8, "Proof"):
        proof.show(stage, scratch)
    return stage


def _close(stage: Stage, data: Path) -> None:
    head, seconds, program, folder = (
        stage.service.log.head(),
        stage.account.seconds(),
        _program(),
        _short(data),
    )
    stage.account.line()
    stage.account.line(
        f"Everything above came from {head} events in {folder}, {seconds:.0f} s. "
        "The prices are 20 survivors: this shows the plumbing, not an edge."
    )
    following = (
        ("make up", "the same data on http://127.0.0.1:8484"),
        (f"{program} log tail --data {folder}", "every action, who and why"),
        (f"{program} definition new my-signal --category signal", "your own model"),
    )
    for number, (command, meaning) in enumerate(following):
        stage.account.line(f"{'' if number else 'Next:':<7}{command:<66} {meaning}")


def _program() -> str:
    """How the reader starts the command line from here."""
    beside = Path(sys.executable).with_name("optaic-mlops")
    return str(_short(beside)) if shutil.which("optaic-mlops") is None and beside.exists() else "optaic-mlops"


def _short(path: Path) -> Path:
    """Relative to where the reader stands, if it lies below."""
    here, absolute = Path.cwd(), path.absolute()
    return absolute.relative_to(here) if absolute.is_relative_to(here) else path
