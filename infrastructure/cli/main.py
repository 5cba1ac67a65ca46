"""`optaic-mlops`: the groups of commands. Nothing heavy is imported before a command needs it."""

import sys

import typer

from infrastructure.cli import (
    access,
    alerts,
    cure,
    datasets,
    definitions,
    instances,
    lineage,
    log,
    maintenance,
    roles,
    runs,
    service,
    versions,
)

app = typer.Typer(
    name="optaic-mlops",
    help="Model operations as an event log: everything can be asked as of any moment.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_GROUPS = (
    service,
    definitions,
    instances,
    runs,
    versions,
    alerts,
    datasets,
    lineage,
    log,
    access,
    maintenance,
    roles,
    cure,
)
for module in _GROUPS:
    module.add_to(app)


def main() -> None:
    """Run the command line; exit codes are in docs/cli.md."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
