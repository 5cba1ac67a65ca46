"""What the guardrails refuse."""

from domain.shared.errors import RuleBroken


class GuardrailBlocked(RuleBroken):
    """A gate blocked this; the report says which contract did not hold, and by how much."""

    remedy = "Read `report`: each issue names the contract, what was observed and the limit."


class GuardrailKindUnknown(RuleBroken):
    """No validator judges contracts of this kind."""

    remedy = "Use one of the kinds that docs/definition-packages.md lists."


class GuardrailContractMalformed(RuleBroken):
    """A contract's config could never be judged."""

    remedy = "Correct the config in definition.toml; docs/definition-packages.md shows each kind's."
