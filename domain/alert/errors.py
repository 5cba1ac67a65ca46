"""What an alert refuses."""

from domain.shared.errors import Kind, RuleBroken


class AlertUnknown(RuleBroken):
    """There is no alert of this id."""

    kind = Kind.NOT_FOUND
    remedy = "List what there is: GET /api/v1/alerts, or `optaic-mlops alert list`."


class AlertAlreadyResolved(RuleBroken):
    """The alert is resolved, which is final; the rule raises another one when it has to."""

    kind = Kind.STATE
    remedy = "Look for an alert that is open: GET /api/v1/alerts?state=open."


class AlertRuleUnknown(RuleBroken):
    """The instance has no rule of this name, or the rule does not watch this metric."""

    remedy = "Take a rule of GET /api/v1/instances/{name}/monitoring and a metric that it matches."


class AlertNotCrossed(RuleBroken):
    """The value is on the quiet side of the rule's threshold."""

    remedy = "Raise an alert only for a value that the rule's comparison holds for."
