"""What can happen to a definition."""

from typing import Any, ClassVar

import msgspec

from domain.ml_module_def.manifest import Manifest
from domain.shared.activity import Event
from domain.shared.ids import Name, Sha256


class Check(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One check of an evaluation: what was looked at, whether it held, its seconds and its output."""

    name: str
    ok: bool
    seconds: float
    detail: str = ""


class DefinitionSubmitted(Event, frozen=True, kw_only=True):
    """A package was handed in: from now on its bytes are pinned by their hash."""

    ACTIONS: ClassVar = ("ml_module_def.submitted",)
    manifest: Manifest
    submitter: str

    def resource(self) -> tuple[str, str]:
        return "ml_module_def", f"{self.manifest.name}@{self.manifest.version}"


class DefinitionEvaluated(Event, frozen=True, kw_only=True):
    """The package was checked in a process of its own; the verdict decides whether it can be used."""

    ACTIONS: ClassVar = ("ml_module_def.evaluated",)
    name: Name
    version: str
    package_sha256: Sha256
    verdict: str
    """`passed` or `failed`."""
    sandbox_level: str
    checks: tuple[Check, ...]
    report_sha256: Sha256 | None
    """The full output of the checks, an artifact; None if the evaluation did not get that far."""
    hyper_parameter_schema: dict[str, Any]
    """JSON Schema of the model's hyper-parameters, taken from its pydantic model; {} when failed."""
    output_columns: dict[str, str]
    """The predictor's output columns: name to type; {} when failed."""

    def resource(self) -> tuple[str, str]:
        return "ml_module_def", f"{self.name}@{self.version}"


class DefinitionPublished(Event, frozen=True, kw_only=True):
    """The definition version is shared beyond its author's space."""

    ACTIONS: ClassVar = ("ml_module_def.published",)
    name: Name
    version: str

    def resource(self) -> tuple[str, str]:
        return "ml_module_def", f"{self.name}@{self.version}"


class DefinitionDeprecated(Event, frozen=True, kw_only=True):
    """No new instance may take this version; existing ones go on with a warning."""

    ACTIONS: ClassVar = ("ml_module_def.deprecated",)
    name: Name
    version: str

    def resource(self) -> tuple[str, str]:
        return "ml_module_def", f"{self.name}@{self.version}"
