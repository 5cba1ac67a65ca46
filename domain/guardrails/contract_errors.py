"""What is wrong with a contract itself."""

from domain.shared.errors import RuleBroken


class GuardrailKindUnknown(RuleBroken):
    """No validator judges this kind of contract."""

    remedy = "Use one of the kinds that the refusal lists."


class GuardrailContractMalformed(RuleBroken):
    """The contract's config is not of the form that its kind asks for."""

    remedy = "Correct this contract in definition.toml; docs/definition-packages.md lists every kind."


class DefinitionOutputContractMissing(RuleBroken):
    """No contract makes the output keep what its category promises, and none follows by itself."""

    remedy = "Add [[contracts]] of a kind that the detail names; it may not say warn, nor allow more."
