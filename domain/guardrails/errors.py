"""What the guardrails refuse."""

from domain.shared.errors import RuleBroken


class GuardrailBlocked(RuleBroken):
    """A gate blocked this; the report says which contract did not hold, and by how much."""

    remedy = "Read `report`: each issue names the contract, what was observed and the limit."
