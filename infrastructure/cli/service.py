"""`up`: serve a data folder, in the foreground or in the background."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infrastructure.cli import output
from infrastructure.cli.session import REFUSED, DataOption, JsonOption, default_data, refusals
from infrastructure.cli.settings import load_settings

if TYPE_CHECKING:
    from infrastructure.embedded.record import ServiceRecord
    from infrastructure.settings import Settings

HELP = "Serve a data folder on this machine until Ctrl-C (embedded mode: nothing else to install)."
Port = Annotated[int | None, typer.Option(help="Where to listen; 0 takes a free port.", min=0, max=65535)]
Detach = Annotated[bool, typer.Option("--detach", help="In the background; the one that runs, if one does.")]
ReadyFd = Annotated[int | None, typer.Option(hidden=True)]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("up", help=HELP)(up)


def up(
    data: DataOption = None,
    port: Port = None,
    detach: Detach = False,
    ready_fd: ReadyFd = None,
    as_json: JsonOption = False,
) -> None:
    """Serve."""
    folder = (data or default_data()).expanduser().resolve()
    if ready_fd is not None:
        _serve_for_starter(folder, port, ready_fd)
        return
    with refusals(as_json):
        if detach:
            from infrastructure.embedded.starting import ensure_service

            _say(ensure_service(folder), as_json)
            return
        _serve(_settings(folder, port), as_json)


def _say(record: "ServiceRecord", as_json: bool) -> None:
    if as_json:
        output.print_json({**asdict(record), "url": record.url})
    else:
        print(f"OptAIC MLOps is served at {record.url} (process {record.pid})", flush=True)


def _serve(settings: "Settings", as_json: bool) -> None:
    from infrastructure.embedded.server import serve

    _log_to_stderr()
    serve(settings, lambda record: _say(record, as_json))


def _serve_for_starter(folder: Path, port: int | None, ready_fd: int) -> None:
    """Tell who started us that we are ready, or why not."""
    from domain.shared.errors import RuleBroken
    from infrastructure.embedded.server import serve
    from infrastructure.embedded.starting import READY

    _log_to_stderr()

    def tell(word: bytes) -> None:
        os.write(ready_fd, word)
        os.close(ready_fd)

    try:
        serve(_settings(folder, port), lambda _: tell(READY), locked=True)
    except RuleBroken as broken:
        tell(f"{broken.code}: {broken.detail}".encode())
        raise typer.Exit(REFUSED) from None


def _settings(folder: Path, port: int | None) -> "Settings":
    return load_settings(data=folder) if port is None else load_settings(data=folder, port=port)


def _log_to_stderr() -> None:
    import logging

    form = "%(asctime)s %(levelname)s %(name)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=form)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
