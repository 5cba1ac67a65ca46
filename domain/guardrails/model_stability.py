"""`model.stability`: the output ranks as its reference does."""

from typing import Annotated, Any, Literal

import msgspec

from domain.guardrails.findings import Finding
from domain.guardrails.measurements import Measurement


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which column is ranked, against what, and the least rank correlation, inclusive."""

    column: str
    at_least: Annotated[float, msgspec.Meta(ge=-1, le=1)]
    reference: str | None = None
    """The role of the input that holds the reference's rows; None: the former version's output."""
    match: Literal["date", "newest"] = "date"
    """`date`: the mean over the shared dates; `newest`: the newest date of each, whichever that is."""

    def problem(self) -> str | None:
        """Every form that decodes makes sense."""
        return None


def judge(config: Config, measurement: Measurement) -> Finding | None:
    """There is a correlation, and it is not below the limit."""
    value = measurement.observed.get("rank_correlation")
    if value is not None and value >= config.at_least:
        return None
    limit: dict[str, Any] = {"column": config.column, "at_least": config.at_least, "match": config.match}
    low = f"the rank correlation with the reference is {value:.6g}" if value is not None else ""
    return Finding(
        code="model.stability",
        message=f"{low}, below {config.at_least:g}"
        if low
        else f"{config.column} shares too little with the reference to be ranked",
        observed=measurement.observed,
        limit=limit,
    )
