"""What the guardrails refuse."""

from domain.shared.errors import Kind, RuleBroken


class GuardrailBlocked(RuleBroken):
    """A gate blocked this; the report says which contract did not hold, and by how much."""

    remedy = "Read `report`: each issue names the contract, what was observed and the limit."


class GuardrailOverrideDenied(RuleBroken):
    """Only who keeps the service may let something pass a gate that blocks; not over Kafka, nor a policy."""

    kind = Kind.FORBIDDEN
    remedy = "Ask an operator to send the command over HTTP with a reason, or mend what the report names."
