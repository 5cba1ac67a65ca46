"""`relevance.scores`: one score a feature, finite and not negative."""

import msgspec

from domain.guardrails.findings import Finding
from domain.guardrails.measurements import Measurement


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The column of the scores; a row's entity is the feature."""

    column: str = "score"

    def problem(self) -> str | None:
        """Every form that decodes makes sense."""
        return None


def judge(config: Config, measurement: Measurement) -> Finding | None:
    """No score that is missing, infinite or negative, and no feature twice on a date."""
    if measurement.breaching == 0:
        return None
    return Finding(
        code="relevance.scores",
        message=f"{measurement.breaching} of {measurement.rows} rows have {config.column} missing, infinite "
        "or negative, or repeat a feature",
        observed=measurement.observed,
        limit={"column": config.column, "low": 0.0},
        rows=measurement.breaching,
        keys=measurement.keys,
    )
