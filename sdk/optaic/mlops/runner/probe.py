"""Imports a definition's entry points and describes them: one check of an evaluation, in a process of its
own.

Reads {"package", "entry_points", "result"} as JSON from standard input, before any code of the definition
runs, and writes what it found to the file `result`. What the definition prints is never looked at.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from optaic.mlops.runner.confinement import confine


def main() -> int:
    """0 and a result, or 1 and the reason on standard output."""
    confine()
    from optaic.mlops.runner.components import BASES, load_class, put_on_path
    from optaic.mlops.runner.connection import RunRefused

    task: dict[str, Any] = json.load(sys.stdin)
    put_on_path(Path(task["package"]))
    found: dict[str, Any] = {}
    try:
        for role in BASES:
            found[role] = load_class(role, task["entry_points"][role])
        result = _described(found)
    except RunRefused as refusal:
        sys.stdout.write(refusal.message + "\n")
        return 1
    except Exception:
        traceback.print_exc(file=sys.stdout)
        return 1
    _write(Path(task["result"]), result)
    return 0


def _described(found: dict[str, Any]) -> dict[str, Any]:
    """Schema and defaults of the hyper-parameters, and the predictor's columns."""
    params = found["model"].Params
    columns = getattr(found["predictor"], "columns", None)
    problems: list[str] = []
    try:
        params()
    except ValueError as error:
        problems.append(f"the hyper-parameters have no complete defaults: {error}")
    if not isinstance(getattr(found["monitor"], "key_metric", None), str):
        problems.append("the monitor names no key_metric")
    if hasattr(found["monitor"], "alert_rules"):
        problems.append("alert_rules of a monitor are read by nobody: write [[alerts]] in definition.toml")
    if not columns:
        problems.append("the predictor names no columns")
    return {"schema": params.model_json_schema(), "columns": dict(columns or {}), "problems": problems}


def _write(path: Path, result: dict[str, Any]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(result, file, allow_nan=False)


if __name__ == "__main__":
    sys.exit(main())
