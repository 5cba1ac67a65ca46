"""definition.toml → Manifest. Unknown keys are refused: a misspelt contract would protect nothing."""

import tomllib
from typing import Annotated, Any

import msgspec
import semver
from packaging.requirements import InvalidRequirement, Requirement

from domain.alert_rules import RULES_MAX, AlertRule, check_rules
from domain.categories import Category
from domain.guardrails.category_law import with_output_contract
from domain.guardrails.contracts import Contract
from domain.guardrails.gates import check_contracts
from domain.ml_module_def.manifest import InputRole, Manifest
from domain.ml_module_def.package_errors import (
    DefinitionEntryPointMissing,
    DefinitionManifestMalformed,
    DefinitionVersionMalformed,
)
from domain.shared.ids import Name

ENTRY_POINTS = ("model", "features", "target", "trainer", "evaluator", "predictor", "monitor")
VERSION_LENGTH_MAX = 64
REQUIREMENT_LENGTH_MAX = 1_000
DOTS_IN_A_LINE_MAX = 64
"""The time that `tomllib` takes grows with the square of the dots in a key."""
_EntryPoint = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+:[A-Za-z_][A-Za-z0-9_]*$")
]


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    version: str
    category: Category
    description: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    entry_points: dict[str, _EntryPoint]
    inputs: Annotated[tuple[InputRole, ...], msgspec.Meta(min_length=1, max_length=64)]
    contracts: Annotated[tuple[Contract, ...], msgspec.Meta(max_length=64)] = ()
    requirements: Annotated[tuple[str, ...], msgspec.Meta(max_length=128)] = ()
    alerts: Annotated[tuple[AlertRule, ...], msgspec.Meta(max_length=RULES_MAX)] = ()


def parse_definition(text: bytes, *, package_sha256: str, package_bytes: int) -> Manifest:
    """Read and check a definition.toml.

    Raises DefinitionManifestMalformed, DefinitionVersionMalformed, DefinitionEntryPointMissing,
    GuardrailKindUnknown, GuardrailContractMalformed, DefinitionOutputContractMissing,
    AlertRuleInvalid.
    """
    file = _decode(text)
    _check_version(file.version)
    _check_entry_points(file.entry_points)
    _check_inputs(file.inputs)
    _check_requirements(file.requirements)
    check_contracts(file.contracts)
    contracts = with_output_contract(file.category, file.contracts, [one.role for one in file.inputs])
    check_rules(file.alerts)
    return Manifest(
        name=file.name,
        version=file.version,
        category=file.category,
        description=file.description,
        package_sha256=package_sha256,
        package_bytes=package_bytes,
        entry_points={role: file.entry_points[role] for role in ENTRY_POINTS},
        inputs=file.inputs,
        contracts=contracts,
        requirements=file.requirements,
        alerts=file.alerts or msgspec.UNSET,
    )


def _decode(text: bytes) -> _File:
    if any(line.count(b".") > DOTS_IN_A_LINE_MAX for line in text.splitlines()):
        raise DefinitionManifestMalformed(
            f"definition.toml: a line has more than {DOTS_IN_A_LINE_MAX} dots; break long texts up"
        )
    try:
        raw: dict[str, Any] = tomllib.loads(text.decode("utf-8"))
        return msgspec.convert(raw, _File)
    except msgspec.ValidationError as error:
        raise DefinitionManifestMalformed(f"definition.toml: {error}") from None
    except ValueError as error:  # TOML or UTF-8 that is none, a date that is none, a number without an end
        raise DefinitionManifestMalformed(f"definition.toml cannot be read: {str(error)[:500]}") from None
    except RecursionError:
        raise DefinitionManifestMalformed("definition.toml is nested too deeply") from None


def _check_version(version: str) -> None:
    if len(version) > VERSION_LENGTH_MAX or "+" in version or not semver.Version.is_valid(version):
        raise DefinitionVersionMalformed(f"{version[: VERSION_LENGTH_MAX + 1]!r} is not a semantic version")


def _check_entry_points(entry_points: dict[str, str]) -> None:
    unknown = sorted(set(entry_points) - set(ENTRY_POINTS))
    if unknown:
        raise DefinitionManifestMalformed(f"definition.toml: unknown entry point {unknown[0]!r}")
    missing = [role for role in ENTRY_POINTS if role not in entry_points]
    if missing:
        raise DefinitionEntryPointMissing(f"[entry_points] does not name {missing[0]}", missing=missing)


def _check_inputs(inputs: tuple[InputRole, ...]) -> None:
    roles = [item.role for item in inputs]
    repeated = sorted({role for role in roles if roles.count(role) > 1})
    if repeated:
        raise DefinitionManifestMalformed(f"definition.toml: the input role {repeated[0]!r} stands twice")


def _check_requirements(requirements: tuple[str, ...]) -> None:
    for text in requirements:
        if len(text) > REQUIREMENT_LENGTH_MAX:
            raise DefinitionManifestMalformed(
                f"requirement {text[:50]!r}… has more than {REQUIREMENT_LENGTH_MAX} characters"
            )
        try:
            parsed = Requirement(text)
        except (InvalidRequirement, RecursionError) as error:
            raise DefinitionManifestMalformed(f"requirement {text!r}: {error}") from None
        if parsed.url:
            raise DefinitionManifestMalformed(
                f"requirement {text!r}: an address is not allowed, only versions"
            )
