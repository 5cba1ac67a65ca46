"""Run the command line: as a user does in a process of its own, or faster in this one."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from infrastructure.cli.main import app


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Its output as JSON."""
        return json.loads(self.out)


def optaic(*arguments: str, data: Path | None = None, cwd: Path | None = None, **environment: str) -> Ran:
    """`optaic-mlops …`; `data` goes into the environment."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OPTAIC_MLOPS_")}
    given = {**kept, **environment} | ({} if data is None else {"OPTAIC_MLOPS_DATA": str(data)})
    done = subprocess.run(
        [sys.executable, "-P", "-m", "infrastructure.cli.main", *arguments],
        capture_output=True,
        text=True,
        env=given,
        cwd=cwd,
        timeout=100,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


def here(*arguments: str, **environment: str) -> Ran:
    """The same in this process."""
    result = CliRunner().invoke(app, list(arguments), env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def good(*arguments: str, **where: Any) -> Ran:
    """A command that must succeed."""
    ran = optaic(*arguments, **where)
    assert ran.code == 0, ran
    return ran
