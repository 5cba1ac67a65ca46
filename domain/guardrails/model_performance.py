"""`model.performance`: a metric of the model is good enough, and not too good to be true."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from domain.guardrails.findings import Finding


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric and its limits, both inclusive; above `at_most` a leak is likelier than a discovery."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None

    def problem(self) -> str | None:
        """At least one limit, and they leave room."""
        if self.at_least is None and self.at_most is None:
            return "neither at_least nor at_most is given"
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            return f"at_least {self.at_least} is above at_most {self.at_most}"
        return None


def judge(config: Config, metrics: Mapping[str, float]) -> Finding | None:
    """The metric is there, finite and within the limits."""
    value = metrics.get(config.metric)
    limit: dict[str, Any] = {"metric": config.metric, "at_least": config.at_least, "at_most": config.at_most}
    if value is None or not math.isfinite(value):
        message = f"the metric {config.metric} was not measured"
        return Finding(code="model.performance", message=message, observed={}, limit=limit)
    observed = {config.metric: value}
    if config.at_least is not None and value < config.at_least:
        message = f"{config.metric} is {value:.6g}, below {config.at_least:g}"
        return Finding(code="model.performance", message=message, observed=observed, limit=limit)
    if config.at_most is not None and value > config.at_most:
        message = (
            f"{config.metric} is {value:.6g}, above {config.at_most:g}: too good to be true, look for a leak"
        )
        return Finding(code="model.too_good", message=message, observed=observed, limit=limit)
    return None
