"""The output contract that each category must honour: every definition has one, its own or the default."""

from collections.abc import Mapping, Sequence

from domain.categories import Category
from domain.guardrails.contract_errors import DefinitionOutputContractMissing
from domain.guardrails.contracts import Contract

OUTPUT_KINDS: Mapping[Category, tuple[str, ...]] = {
    Category.SIGNAL: ("signal.bounds",),
    Category.MACRO_REGIME: ("regime.probabilities", "regime.labels"),
    Category.RELEVANCE: ("relevance.scores",),
    Category.SIGNAL_COMBINING: ("signal.bounds",),
    Category.SIGNAL_FILTERING: ("filter.subset",),
}
"""One of these has to judge the output of a definition of the category."""

_SIGNAL_LOW, _SIGNAL_HIGH = -1.0, 1.0


def with_output_contract(
    category: Category, contracts: Sequence[Contract], inputs: Sequence[str]
) -> tuple[Contract, ...]:
    """The contracts, and the category's default one behind them where none of its kinds is there.

    Raises DefinitionOutputContractMissing where there is no default, or where the one that is there allows
    more than the category does.
    """
    kinds = OUTPUT_KINDS[category]
    own = [contract for contract in contracts if contract.kind in kinds]
    if any(_is_kept(contract) for contract in own):
        return tuple(contracts)
    if own:
        raise DefinitionOutputContractMissing(
            f"{own[0].kind} of a {category} only warns, or allows more than [-1, 1]", kinds=list(kinds)
        )
    default = _default(category, inputs)
    if default is None:
        raise DefinitionOutputContractMissing(
            f"a {category} definition needs {' or '.join(kinds)}", kinds=list(kinds)
        )
    return (*contracts, default)


def _is_kept(contract: Contract) -> bool:
    """What only warns, or allows more than the category, is no law of the category."""
    if contract.enforce == "warn":
        return False
    if contract.kind != "signal.bounds":
        return True
    low, high = contract.config.get("low", _SIGNAL_LOW), contract.config.get("high", _SIGNAL_HIGH)
    return low >= _SIGNAL_LOW and high <= _SIGNAL_HIGH


def _default(category: Category, inputs: Sequence[str]) -> Contract | None:
    """The contract that follows from the category alone; regimes have names that only the author knows, and
    of several inputs only the author knows which one is filtered.
    """
    match category:
        case Category.SIGNAL | Category.SIGNAL_COMBINING:
            return Contract(kind="signal.bounds", config={"column": "signal"})
        case Category.RELEVANCE:
            return Contract(kind="relevance.scores", config={"column": "score"})
        case Category.SIGNAL_FILTERING if len(inputs) == 1:
            return Contract(kind="filter.subset", config={"role": inputs[0]})
        case _:
            return None
