"""The law is judged before it judges: each category's output has a contract, and each contract an object."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.categories import Category
from domain.guardrails.category_law import OUTPUT_KINDS, with_output_contract
from domain.guardrails.contract_errors import DefinitionOutputContractMissing, GuardrailContractMalformed
from domain.guardrails.contracts import Contract
from domain.guardrails.definition_gate import judge_definition
from domain.guardrails.gates import check_contracts, overridden
from domain.guardrails.kinds import KINDS
from tests.guardrails.judging import contract

TARGET = "ml_module_def:xgb-signal@1.0.0"
COLUMNS = {"signal": "float64", "regime": "string", "n": "int64"}


def judged(*laws: Contract, columns: Any = COLUMNS, roles: Any = ("prices",)) -> Any:
    return judge_definition(TARGET, laws, columns, roles)


def codes(*laws: Contract, **facts: Any) -> list[str]:
    return [issue.code for issue in judged(*laws, **facts).issues]


@pytest.mark.parametrize(
    ("category", "law"),
    [
        (Category.SIGNAL, contract("signal.bounds", column="signal")),
        (Category.SIGNAL_COMBINING, contract("signal.bounds", column="signal")),
        (Category.RELEVANCE, contract("relevance.scores", column="score")),
        (Category.SIGNAL_FILTERING, contract("filter.subset", role="signals")),
    ],
)
def test_a_category_whose_output_has_one_form_has_its_contract_without_being_told(
    category: Category, law: Contract
) -> None:
    other = contract("signal.coverage")
    assert with_output_contract(category, [other], ["signals"]) == (other, law)


@pytest.mark.parametrize(
    ("category", "roles"), [(Category.MACRO_REGIME, ["macro"]), (Category.SIGNAL_FILTERING, ["a", "b"])]
)
def test_what_only_the_author_knows_is_asked_of_him(category: Category, roles: list[str]) -> None:
    with pytest.raises(DefinitionOutputContractMissing, match=OUTPUT_KINDS[category][0]):
        with_output_contract(category, [], roles)


@pytest.mark.parametrize(
    "law",
    [
        Contract(kind="signal.bounds", enforce="warn"),
        contract("signal.bounds", low=-1.5),
        contract("signal.bounds", high=2.0),
    ],
)
def test_a_contract_that_allows_more_than_the_category_is_not_its_law(law: Contract) -> None:
    with pytest.raises(DefinitionOutputContractMissing, match=r"only warns, or allows more than \[-1, 1\]"):
        with_output_contract(Category.SIGNAL, [law], ["prices"])


def test_a_stricter_contract_of_the_author_stands_alone() -> None:
    own = contract("signal.bounds", column="alpha", low=-0.5, high=0.5)
    assert with_output_contract(Category.SIGNAL, [own], ["prices"]) == (own,)


def test_contracts_on_columns_and_inputs_that_are_there_pass() -> None:
    report = judged(
        contract("signal.bounds"),
        contract("signal.schema", columns={"signal": "float64", "n": "int64"}),
        contract("regime.labels", labels=["a", "b"], ordered_by="n"),
        contract("dataset.freshness", role="prices", sessions=3),
        contract("dataset.schema", role="prices", columns={"close": "float64"}),
        contract("model.performance", metric="rank_ic", at_least=0.0),
        contract("model.freshness", days=7),
        contract("signal.coverage", column="model_version"),
    )
    assert (report.gate, report.enforced_as, report.issues) == ("definition_submit", "passed", ())
    assert len(report.contracts) == 8


@pytest.mark.parametrize(
    "law",
    [
        contract("signal.bounds", column="alpha"),
        contract("signal.bounds", column="regime"),
        contract("signal.schema", columns={"signal": "float32"}),
        contract("regime.probabilities", columns=["signal", "down"]),
        contract("regime.labels", labels=["a", "b"], column="n"),
        contract("regime.labels", labels=["a", "b"], ordered_by="regime"),
        contract("relevance.scores"),
        contract("signal.coverage", column="score"),
        contract("dataset.coverage", column="score"),
        contract("dataset.schema", columns={"close": "float64"}),
        contract("model.stability", column="score", at_least=0.5),
        contract("filter.subset", role="prices", columns=["score"]),
    ],
)
def test_a_contract_on_a_column_that_the_output_has_not_blocks(law: Contract) -> None:
    report = judged(law)
    assert report.enforced_as == "blocked"
    (issue,) = report.issues
    assert issue.code == "guardrail.column_unfit"
    assert issue.limit == {"columns": {**COLUMNS, "trained_as_of": "timestamp", "model_version": "int64"}}


@pytest.mark.parametrize(
    "law",
    [
        contract("dataset.freshness", role="macro", sessions=1),
        contract("dataset.pit", role="macro"),
        contract("filter.subset", role="macro"),
        contract("model.stability", column="signal", at_least=0.5, reference="macro"),
    ],
)
def test_a_contract_on_an_input_that_there_is_not_blocks(law: Contract) -> None:
    (issue,) = judged(law).issues
    assert (issue.code, issue.limit) == ("guardrail.role_unknown", {"roles": ["prices"]})


def test_a_contract_that_only_warns_does_not_keep_a_definition_out() -> None:
    report = judged(Contract(kind="signal.bounds", config={"column": "alpha"}, enforce="warn"))
    assert (report.enforced_as, report.ok) == ("warned", True)


@given(st.sampled_from(sorted(KINDS)), st.sampled_from(["block", "by_space"]))
def test_a_definition_without_columns_or_inputs_passes_only_what_is_about_neither(
    kind: str, enforce: Any
) -> None:
    about = {
        "signal.schema": {"columns": {"a": "int64"}},
        "regime.probabilities": {"columns": ["a", "b"]},
        "regime.labels": {"labels": ["a", "b"]},
        "filter.subset": {"role": "a"},
        "dataset.schema": {"columns": {"a": "int64"}},
        "dataset.freshness": {"role": "a", "sessions": 1},
        "model.stability": {"column": "a", "at_least": 0.5},
        "model.freshness": {"days": 1},
        "model.performance": {"metric": "a", "at_least": 0.5},
    }
    law = Contract(kind=kind, config=about.get(kind, {}), enforce=enforce)
    needs_nothing = (
        "signal.coverage",
        "dataset.pit",
        "dataset.coverage",
        "model.freshness",
        "model.performance",
    )
    report = judged(law, columns={}, roles=())
    assert (report.enforced_as == "passed") == (kind in needs_nothing)
    assert report == judged(law, columns={}, roles=())


@pytest.mark.parametrize("limit", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("config", ["at_least", "nested"], ids=["a limit", "a limit inside"])
def test_a_limit_that_is_no_finite_number_is_refused(config: str, limit: float) -> None:
    inside: Any = {"metric": "rank_ic", config: limit if config == "at_least" else [{"deep": limit}]}
    with pytest.raises(GuardrailContractMalformed, match="limits nothing"):
        check_contracts([contract("model.performance", **inside)])


def test_an_override_takes_the_blame_and_leaves_the_verdict() -> None:
    blocked = judged(contract("signal.bounds", column="alpha"))
    taken = overridden(blocked, "p_keeper")
    assert (taken.enforced_as, taken.overridden_by, taken.ok) == ("overridden", "p_keeper", False)
    assert (taken.issues, taken.contracts) == (blocked.issues, blocked.contracts)
    passed = judged(contract("signal.bounds"))
    assert overridden(passed, "p_keeper") == passed
