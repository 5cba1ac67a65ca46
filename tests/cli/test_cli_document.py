"""docs/cli.md names every command, every option and every setting."""

import re
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from typer.core import TyperGroup

from infrastructure.cli.main import app
from infrastructure.settings import Settings

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
ROWS: dict[str, str] = dict(re.findall(r"^\| `([a-z]+(?: [a-z]+)?)[^`]*` \|(.*)\|$", TEXT, re.MULTILINE))
COMMON = {"--json", "--url", "--data", "--help", "-h"}


def commands() -> list[tuple[str, click.Command]]:
    root = typer.main.get_command(app)
    found: list[tuple[str, Any]] = []
    assert isinstance(root, TyperGroup)
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None)
        found += [(f"{name} {sub}", one) for sub, one in inner.items()] if inner else [(name, command)]
    return found


@pytest.mark.parametrize(
    ("name", "command"), commands(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_and_option_is_described(name: str, command: click.Command):
    assert name in ROWS
    for parameter in command.params:
        options = [one for one in parameter.opts if one.startswith("--")]
        if getattr(parameter, "hidden", False) or set(options) & COMMON or not options:
            continue
        assert any(option in ROWS[name] for option in options), (name, options)


def test_nothing_is_described_that_is_not_there():
    assert set(ROWS) == {name for name, _ in commands()}


def test_every_setting_is_described():
    for name in Settings.model_fields:
        assert f"`OPTAIC_MLOPS_{name.upper()}`" in TEXT
