"""The checks of an evaluation. Each runs in a process of its own; what it may say is judged here.

Checks run beside each other: one reads what another found out only if it needs it (`NEEDS`), or waits for it.
"""

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from domain.dataset.declaration import RESERVED_COLUMNS, Column
from domain.ml_module_def.manifest import Manifest
from infrastructure.evaluation.junit import JunitMalformed, read_report
from infrastructure.evaluation.sandbox import EXCESS, result_path, run_confined
from infrastructure.processes.distributions import installed_distributions
from infrastructure.processes.sandbox import Limits, Sandbox

SCHEMA_BYTES_MAX = 32 * 1024
RESULT_BYTES_MAX = 1024 * 1024
RUN_COLUMNS = ("trained_as_of", "model_version")
"""Columns that every prediction gets from the run."""


class CheckFailed(Exception):
    """Why a check did not hold."""


@dataclass
class Evaluation:
    """An evaluation under way: where things are, and what its checks found out."""

    package: Path
    """The unpacked package."""
    manifest: Manifest
    work: Path
    python: Path
    timeout_s: float
    stop: threading.Event = field(default_factory=threading.Event)
    sandbox: Sandbox = field(default_factory=Sandbox)
    limits: Limits = field(default_factory=Limits)
    schema: dict[str, Any] = field(default_factory=dict[str, Any])
    columns: dict[str, str] = field(default_factory=dict[str, str])
    output: dict[str, str] = field(default_factory=dict[str, str])
    """Of each check: what its processes printed."""
    rehearsed: "Future[Rehearsed | None]" = field(default_factory=Future)
    """What the check of lookahead found; None: it came to nothing."""


class _Probed(msgspec.Struct, forbid_unknown_fields=True):
    schema: dict[str, Any]
    columns: dict[str, str]
    problems: list[str]


class _Inventory(msgspec.Struct):
    tests: tuple[tuple[str, str], ...]
    hooks: tuple[str, ...]
    unreadable: tuple[str, ...]


class Rehearsed(msgspec.Struct, forbid_unknown_fields=True):
    """What a rehearsal found: hashes of model file and predictions, findings of lookahead."""

    sample: str = ""
    model: str = ""
    predictions: str = ""
    findings: list[str] = msgspec.field(default_factory=list[str])
    compared: list[int] = msgspec.field(default_factory=list[int])
    asked: int = 0
    not_checked: str = ""
    scaled: dict[str, list[str]] = msgspec.field(default_factory=dict[str, list[str]])
    """Role that was put on another scale → what differs then."""


def requirements(evaluation: Evaluation) -> str:
    """Every requirement is installed in the executor's environment, in a version that will do."""
    installed = {
        canonicalize_name(name): version
        for name, version in installed_distributions(evaluation.python).items()
    }
    for text in evaluation.manifest.requirements:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        version = installed.get(canonicalize_name(wanted.name))
        if version is None:
            raise CheckFailed(f"{wanted.name} is not installed; requirements are checked, never installed")
        if not wanted.specifier.contains(version, prereleases=True):
            raise CheckFailed(f"{wanted.name} {version} is installed, {text!r} is required")
    return f"{len(evaluation.manifest.requirements)} requirements hold"


def interface(evaluation: Evaluation) -> str:
    """Every entry point can be imported and is built on the base class of its role."""
    folder = evaluation.work / "interface"
    result = result_path(folder)
    task = {
        "package": str(evaluation.package),
        "entry_points": evaluation.manifest.entry_points,
        "result": str(result),
    }
    _confined(evaluation, "interface", folder, ["-m", "optaic.mlops.runner.probe"], task)
    if not result.is_file() or result.stat().st_size > RESULT_BYTES_MAX:
        raise CheckFailed("the import of the entry points ended its process early")
    try:
        probed = msgspec.json.decode(result.read_bytes(), type=_Probed)
    except msgspec.DecodeError as error:
        raise CheckFailed(f"the description of the entry points cannot be read: {error}") from None
    if probed.problems:
        raise CheckFailed("; ".join(probed.problems).replace(f"{evaluation.work}/", ""))
    evaluation.schema = probed.schema
    evaluation.columns = probed.columns
    return f"{len(evaluation.manifest.entry_points)} entry points"


def schema(evaluation: Evaluation) -> str:
    """The hyper-parameters have a JSON Schema (2020-12), and the output columns can be stored."""
    if len(msgspec.json.encode(evaluation.schema)) > SCHEMA_BYTES_MAX:
        raise CheckFailed(f"the JSON Schema has more than {SCHEMA_BYTES_MAX} bytes")
    try:
        Draft202012Validator.check_schema(evaluation.schema)
    except SchemaError as error:
        raise CheckFailed(f"the JSON Schema is not valid: {error.message}") from None
    for name, kind in evaluation.columns.items():
        try:
            msgspec.convert({"name": name, "type": kind}, Column)
        except msgspec.ValidationError as error:
            raise CheckFailed(f"output column {name!r}: {error}") from None
        if name in (*RESERVED_COLUMNS, *RUN_COLUMNS):
            raise CheckFailed(f"output column {name!r} belongs to the service")
    return (
        f"{len(evaluation.schema.get('properties', {}))} hyper-parameters, {len(evaluation.columns)} columns"
    )


def tests(evaluation: Evaluation) -> str:
    """The package's own tests pass, at least one of them, and none that its files hold is left out."""
    held = _inventory(evaluation)
    folder = evaluation.work / "tests"
    result = result_path(folder)
    task = {"package": str(evaluation.package), "result": str(result)}
    _confined(evaluation, "tests", folder, ["-m", "optaic.mlops.runner.suite"], task)
    try:
        counts, reported = read_report(result)
    except JunitMalformed as error:
        raise CheckFailed(str(error)) from None
    if counts.failed or not counts.passed:
        raise CheckFailed(f"{counts.passed} tests passed, {counts.failed} failed")
    missing = reported.missing(held.tests)
    if missing:
        raise CheckFailed(f"{len(missing)} tests are not in the report: {', '.join(missing[:5])}")
    return f"{counts.passed} tests passed, {counts.skipped} skipped"


def _inventory(evaluation: Evaluation) -> _Inventory:
    """What tests there are, found by a process in which no code of the package runs."""
    folder = evaluation.work / "inventory"
    result = result_path(folder)
    task = {"package": str(evaluation.package), "result": str(result)}
    _confined(evaluation, "tests", folder, ["-m", "optaic.mlops.runner.inventory"], task)
    try:
        held = msgspec.json.decode(result.read_bytes(), type=_Inventory)
    except (msgspec.DecodeError, OSError) as error:
        raise CheckFailed(f"the tests cannot be listed: {error}") from None
    if held.unreadable:
        raise CheckFailed(f"{held.unreadable[0]} cannot be read as Python")
    if held.hooks:
        raise CheckFailed(f"a conftest.py may hold fixtures, no hooks of pytest: {held.hooks[0]}")
    return held


def lookahead(evaluation: Evaluation) -> str:
    """Features and predictions of a date stay as they are when what came later is cut off or changed."""
    try:
        found = _rehearsed(evaluation, "lookahead")
    except BaseException:
        evaluation.rehearsed.set_result(None)
        raise
    evaluation.rehearsed.set_result(found)
    if found.findings:
        raise CheckFailed("\n".join([f"on {found.sample}:", *found.findings]))
    if found.not_checked or not all(found.compared):
        return f"not checked: {found.not_checked or f'no value to compare on {found.sample}'}"
    features, predictions = found.compared
    rows = f"{features} rows of features and {predictions} of predictions compared"
    return f"no lookahead on {found.sample}: {rows}, asked {found.asked} times"


def determinism(evaluation: Evaluation) -> str:
    """Trained and asked again in a new process, the model file and the predictions are the same."""
    second = _rehearsed(evaluation, "determinism")
    first = evaluation.rehearsed.result()
    if first is None:
        raise CheckFailed("there was no first training to compare with")
    if first.not_checked:
        return f"not checked: {first.not_checked}"
    differ = [
        what
        for what, one, other in (
            ("the model file", first.model, second.model),
            ("the predictions", first.predictions, second.predictions),
        )
        if one != other
    ]
    if differ:
        raise CheckFailed(f"trained twice on {first.sample}, {' and '.join(differ)} differ: fix every seed")
    hashes = f"model file {first.model[:12]}, predictions {first.predictions[:12]}"
    return f"trained twice on {first.sample}: {hashes}"


def scale_free(evaluation: Evaluation) -> str:
    """Features and target stay as they are when an input that says so is on another scale (L3)."""
    found, roles = evaluation.rehearsed.result(), evaluation.manifest.scale_free_roles
    if found is None or found.not_checked:
        why = found.not_checked if found else "there was no training on a sample"
        raise CheckFailed(f"scale_free is not proved: {why}; give the definition a tests/reference_sample.py")
    missing = [role for role in roles if role not in found.scaled]
    if missing:
        raise CheckFailed(f"scale_free is not proved: {', '.join(missing)} is not in {found.sample}")
    findings = [finding for role in roles for finding in found.scaled[role]]
    if findings:
        raise CheckFailed("\n".join([f"on {found.sample}:", *findings]))
    return f"on {found.sample}, nothing depends on the scale of {', '.join(roles)}"


def _rehearsed(evaluation: Evaluation, name: str) -> Rehearsed:
    folder = evaluation.work / name
    result = result_path(folder)
    manifest = evaluation.manifest
    task = {
        "package": str(evaluation.package),
        "definition": f"{manifest.name}@{manifest.version}",
        "category": manifest.category,
        "entry_points": manifest.entry_points,
        "inputs": [{"role": one.role, "columns": one.columns} for one in manifest.inputs],
        "lookahead": name == "lookahead",
        "scale_free": manifest.scale_free_roles if name == "lookahead" else (),
        "result": str(result),
    }
    _confined(evaluation, name, folder, ["-m", "optaic.mlops.runner.rehearsal"], task)
    if not result.is_file() or result.stat().st_size > RESULT_BYTES_MAX:
        raise CheckFailed("training and predicting on a sample ended its process early")
    try:
        return msgspec.json.decode(result.read_bytes(), type=Rehearsed)
    except msgspec.DecodeError as error:
        raise CheckFailed(f"the result of the sample run cannot be read: {error}") from None


def style(evaluation: Evaluation) -> str:
    """Ruff's default rules find nothing; lines may have 110 characters."""
    root = f"--config=src={json.dumps([str(evaluation.package)])}"
    settings = ["--isolated", "--config=line-length=110", root, "--no-cache", "--quiet"]
    arguments = ["-m", "ruff", "check", *settings, "--output-format=concise"]
    _confined(evaluation, "style", evaluation.work / "style", [*arguments, str(evaluation.package)], {})
    return "ruff finds nothing"


CHECKS: dict[str, Callable[[Evaluation], str]] = {
    "requirements": requirements,
    "interface": interface,
    "schema": schema,
    "tests": tests,
    "lookahead": lookahead,
    "determinism": determinism,
    "scale_free": scale_free,
    "style": style,
}
"""In the order of the report; the structure was checked before."""

BEGUN = ("requirements", "interface", "tests", "lookahead", "determinism", "style", "schema", "scale_free")
"""In this order they begin: what takes long first, and each after those that it waits for."""

NEEDS: dict[str, tuple[str, ...]] = {
    "schema": ("interface",),
    "lookahead": ("interface",),
    "determinism": ("interface", "lookahead"),
    "scale_free": ("interface", "lookahead"),
}
"""A check is left out where one of these failed: it would only say so again."""

BEFORE: dict[str, tuple[str, ...]] = {**NEEDS, "determinism": ("interface",)}
"""A check begins when these have ended. Determinism trains while lookahead is looked for, then compares."""


def _confined(
    evaluation: Evaluation, name: str, folder: Path, arguments: list[str], task: dict[str, Any]
) -> None:
    ended = run_confined(
        [str(evaluation.python), "-P", "-s", *arguments],
        folder=folder,
        timeout_s=evaluation.timeout_s,
        task=msgspec.json.encode(task),
        stop=evaluation.stop,
        sandbox=evaluation.sandbox,
        limits=evaluation.limits,
        read_only=(evaluation.package,),
    )
    output = ended.output.replace(f"{evaluation.work}/", "")  # where the service keeps its data is not told
    said = evaluation.output.get(name, "")
    evaluation.output[name] = f"{said}== {name}: exit code {ended.exit_code}\n{output}\n"
    if ended.refusal is not None:
        raise CheckFailed(f"the sandbox could not be made: {ended.refusal}")
    if ended.excess is not None:
        raise CheckFailed(f"stopped: {EXCESS[ended.excess]}")
    if ended.exit_code is None:
        raise CheckFailed(f"not done after {evaluation.timeout_s:g} s")
    if ended.exit_code != 0:
        raise CheckFailed(_last_words(output) or f"ended with exit code {ended.exit_code}")


def _last_words(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-8:])[-1500:]
