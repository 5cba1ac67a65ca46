"""Check a package and judge it."""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.ml_module_def.events import Check
from domain.ml_module_def.manifest import Manifest
from domain.shared.errors import RuleBroken
from infrastructure.evaluation.checks import BEFORE, BEGUN, CHECKS, NEEDS, CheckFailed, Evaluation
from infrastructure.packages import inspect_zip, unpack
from infrastructure.processes.sandbox import Limits, Sandbox

DETAIL_CHARACTERS = 2000
_AT_ONCE = 2
"""More would cost memory, and wait for the two rehearsals all the same."""


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
        stop or threading.Event(),
        sandbox=sandbox or Sandbox(),
        limits=limits or Limits(),
    )
    checks = [_structure(evaluation, package_zip)]
    if checks[0].ok:
        checks += _side_by_side(evaluation)
    passed = all(check.ok for check in checks)
    return EvaluationResult(
        verdict="passed" if passed else "failed",
        sandbox_level=evaluation.sandbox.level,
        checks=tuple(checks),
        report="".join(_reported(evaluation, check) for check in checks),
        hyper_parameter_schema=evaluation.schema if passed else {},
        output_columns=evaluation.columns if passed else {},
    )


def _side_by_side(evaluation: Evaluation) -> Sequence[Check]:
    """Some checks at once; those that count, in the order of the report."""
    asked = [name for name in BEGUN if name != "scale_free" or evaluation.manifest.scale_free_roles]
    begun: dict[str, Future[Check | None]] = {}
    with ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1), "check") as threads:
        try:
            for name in asked:
                before = [begun[other] for other in BEFORE.get(name, ())]
                begun[name] = threads.submit(_in_turn, evaluation, name, before)
            ended = {name: future.result() for name, future in begun.items()}
        except KeyboardInterrupt:
            evaluation.stop.set()
            raise
    return [check for name in CHECKS if (check := ended.get(name)) is not None and _counts(name, ended)]


def _in_turn(evaluation: Evaluation, name: str, before: Sequence[Future[Check | None]]) -> Check | None:
    """Wait for the checks before it; None where one of them failed."""
    if not all((check := other.result()) is not None and check.ok for other in before):
        return None
    return _checked(evaluation, name, CHECKS[name])


def _counts(name: str, ended: Mapping[str, Check | None]) -> bool:
    return all((check := ended[other]) is not None and check.ok for other in NEEDS.get(name, ()))


def _reported(evaluation: Evaluation, check: Check) -> str:
    verdict = "ok" if check.ok else "FAILED"
    return f"{evaluation.output.get(check.name, '')}== {check.name}: {verdict}, {check.detail}\n"


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
    seconds = round(time.monotonic() - begun, 3)
    return Check(name=name, ok=ok, seconds=seconds, detail=detail[:DETAIL_CHARACTERS])
