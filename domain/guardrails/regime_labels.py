"""`regime.labels`: labels come from a closed set, in an order that a figure confirms."""

from typing import Annotated, Any

import msgspec

from domain.guardrails.findings import Finding
from domain.guardrails.measurements import Measurement


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The labels in their order, and the column whose mean must grow along it: labels that flip between
    refits break it.
    """

    labels: Annotated[tuple[str, ...], msgspec.Meta(min_length=2, max_length=64)]
    column: str = "regime"
    ordered_by: str | None = None
    """None: the order is not checked. Labels that do not occur have no place in it."""

    def problem(self) -> str | None:
        """A label may stand once only."""
        return None if len(set(self.labels)) == len(self.labels) else "a label is named twice"


def judge(config: Config, measurement: Measurement) -> Finding | None:
    """No label from outside the set, and no neighbours in the wrong order."""
    flipped = measurement.observed.get("labels_out_of_order", 0.0)
    if measurement.breaching == 0 and flipped == 0:
        return None
    limit: dict[str, Any] = {"labels": list(config.labels), "ordered_by": config.ordered_by}
    outside = f"{measurement.breaching} of {measurement.rows} rows have {config.column} outside the set"
    turned = f"{flipped:g} labels are out of order by {config.ordered_by}"
    return Finding(
        code="regime.labels",
        message=outside if measurement.breaching else turned,
        observed=measurement.observed,
        limit=limit,
        rows=measurement.breaching,
        keys=measurement.keys,
    )
