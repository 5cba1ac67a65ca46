"""Check a package and judge it."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.ml_module_def.events import Check
from domain.ml_module_def.manifest import Manifest
from domain.shared.errors import RuleBroken
from infrastructure.evaluation.checks import CHECKS, NEEDS, CheckFailed, Evaluation
from infrastructure.packages import inspect_zip, unpack
from infrastructure.processes.output_log import shown
from infrastructure.processes.sandbox import Limits, Sandbox

DETAIL_CHARACTERS = 2000
_UNJUDGEABLE = (RecursionError, ValueError, TypeError, LookupError, AttributeError)
"""What a check meets where a package's code tells what nothing is made for."""


@dataclass(frozen=True)
class EvaluationResult:
    """The verdict and what it rests on. Schema and columns are empty where it failed."""

    verdict: str
    sandbox_level: str
    checks: tuple[Check, ...]
    report: str
    """The full output of the checks, for an artifact."""
    hyper_parameter_schema: dict[str, Any]
    output_columns: dict[str, str]


def evaluate(
    package_zip: Path,
    manifest: Manifest,
    *,
    work: Path,
    python: Path,
    timeout_s: float,
    stop: threading.Event | None = None,
    sandbox: Sandbox | None = None,
    limits: Limits | None = None,
) -> EvaluationResult:
    """Evaluate a package below `work` (made here, left to the caller to remove); `timeout_s` is a check's
    time.

    Everything that the package's code says is data: a check holds by its process's exit code and by a result
    that is read and judged here.
    """
    evaluation = Evaluation(
        work / "package",
        manifest,
        work,
        python,
        timeout_s,
        stop,
        sandbox=sandbox or Sandbox(),
        limits=limits or Limits(),
    )
    checks = [_structure(evaluation, package_zip)]
    for name, check in CHECKS.items():
        failed = {one.name for one in checks if not one.ok}
        is_asked = name != "scale_free" or manifest.scale_free_roles
        if not is_asked or failed & {"structure", *NEEDS.get(name, ())}:
            continue
        checks.append(_checked(evaluation, name, check))
    passed = all(check.ok for check in checks)
    return EvaluationResult(
        verdict="passed" if passed else "failed",
        sandbox_level=evaluation.sandbox.level,
        checks=tuple(checks),
        report="\n".join(evaluation.report) + "\n",
        hyper_parameter_schema=evaluation.schema if passed else {},
        output_columns=evaluation.columns if passed else {},
    )


def _structure(evaluation: Evaluation, package_zip: Path) -> Check:
    def check(evaluation: Evaluation) -> str:
        try:
            found = inspect_zip(package_zip)
            if found != evaluation.manifest:
                raise CheckFailed("the package is not the one that was submitted")
            evaluation.package.mkdir(parents=True, mode=0o700)
            unpack(package_zip, evaluation.package)
        except RuleBroken as error:
            raise CheckFailed(f"{error.code}: {error.detail}") from None
        return "five components and docs"

    return _checked(evaluation, "structure", check)


def _checked(evaluation: Evaluation, name: str, check: Any) -> Check:
    begun = time.monotonic()
    try:
        detail, ok = check(evaluation), True
    except CheckFailed as failure:
        detail, ok = str(failure), False
    except _UNJUDGEABLE as problem:
        detail, ok = f"what the check found cannot be judged: {problem!r}"[:DETAIL_CHARACTERS], False
    seconds = round(time.monotonic() - begun, 3)
    evaluation.report.append(f"== {name}: {'ok' if ok else 'FAILED'}, {detail}")
    return Check(name=name, ok=ok, seconds=seconds, detail=shown(detail[:DETAIL_CHARACTERS]))
