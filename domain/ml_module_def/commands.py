"""What can be asked of a definition."""

from typing import Any, ClassVar

from domain.ml_module_def.events import Check
from domain.shared.command import Command
from domain.shared.ids import Name, Sha256


class SubmitDefinition(Command, frozen=True, kw_only=True):
    """Hand in a package that was stored as a blob; its evaluation follows by itself."""

    TYPE: ClassVar = "submit_definition"
    package_sha256: Sha256


class EvaluateDefinition(Command, frozen=True, kw_only=True):
    """Evaluate a failed definition version again, with the same bytes."""

    TYPE: ClassVar = "evaluate_definition"
    name: Name
    version: str


class RecordEvaluation(Command, frozen=True, kw_only=True):
    """The evaluation process is done: its verdict."""

    TYPE: ClassVar = "record_evaluation"
    INTERNAL: ClassVar = True
    name: Name
    version: str
    package_sha256: Sha256
    verdict: str
    sandbox_level: str
    checks: tuple[Check, ...]
    report_sha256: Sha256 | None = None
    hyper_parameter_schema: dict[str, Any] = {}
    output_columns: dict[str, str] = {}


class PublishDefinition(Command, frozen=True, kw_only=True):
    """Share a definition version that passed its evaluation."""

    TYPE: ClassVar = "publish_definition"
    name: Name
    version: str


class DeprecateDefinition(Command, frozen=True, kw_only=True):
    """Stop new use of a definition version. Needs a reason."""

    TYPE: ClassVar = "deprecate_definition"
    NEEDS_REASON: ClassVar = True
    name: Name
    version: str
