"""Definitions: submitted, evaluated, published, deprecated."""

from typing import Any

import pytest
from msgspec.structs import replace

from domain.guardrails.events import GateReport, Issue
from domain.ml_module_def import decider
from domain.ml_module_def.commands import RecordEvaluation
from domain.ml_module_def.errors import (
    DefinitionNotEvaluated,
    DefinitionNotPassed,
    DefinitionNotPublished,
    DefinitionUnknown,
    DefinitionVersionDeprecated,
    DefinitionVersionExists,
)
from domain.ml_module_def.events import (
    Check,
    DefinitionDeprecated,
    DefinitionEvaluated,
    DefinitionPublished,
    DefinitionSubmitted,
)
from tests.support.given_when_then import Given
from tests.support.valid import AUTHOR, PASSED_CHECK, digest, manifest

NAME, VERSION = "xgb-signal", "1.0.0"
OTHER_BYTES = manifest(package_sha256=digest("other package"))
SCHEMA = {"type": "object", "properties": {"depth": {"type": "integer"}}}
given = Given(decider.INITIAL, decider.evolve)


def evaluated(verdict: str, **changes: Any) -> DefinitionEvaluated:
    valid = DefinitionEvaluated(
        name=NAME,
        version=VERSION,
        package_sha256=digest("package"),
        verdict=verdict,
        sandbox_level="L1",
        checks=(PASSED_CHECK,),
        report_sha256=None,
        hyper_parameter_schema=SCHEMA,
        output_columns={"signal": "float64"},
    )
    return replace(valid, **changes)


def verdict_on(package_sha256: str, verdict: Any = "passed") -> RecordEvaluation:
    return RecordEvaluation(
        name=NAME,
        version=VERSION,
        package_sha256=package_sha256,
        verdict=verdict,
        sandbox_level="L1",
        checks=(PASSED_CHECK,),
        hyper_parameter_schema=SCHEMA,
        output_columns={"signal": "float64"},
    )


ISSUE = Issue(
    code="guardrail.column_unfit",
    severity="error",
    message="no column",
    contract="signal.bounds#0123456789abcdef",
    observed={},
    limit={},
    rows=0,
    keys=(),
)
GATE = GateReport(
    gate="definition_submit",
    target="ml_module_def:xgb-signal@1.0.0",
    ok=True,
    enforced_as="passed",
    contracts=("signal.bounds#0123456789abcdef",),
    issues=(),
)
SUBMITTED = DefinitionSubmitted(manifest=manifest(), submitter=AUTHOR)
PASSED = (SUBMITTED, evaluated("passed"))
FAILED = (SUBMITTED, evaluated("failed"))
PUBLISHED = (*PASSED, DefinitionPublished(name=NAME, version=VERSION))
DEPRECATED = (*PUBLISHED, DefinitionDeprecated(name=NAME, version=VERSION))


def submit(package: Any = SUBMITTED.manifest, submitter: str = AUTHOR) -> Any:
    return lambda state: decider.submit(state, package, submitter)


def publish(state: decider.State) -> Any:
    return decider.publish(state, NAME, VERSION)


def deprecate(state: decider.State) -> Any:
    return decider.deprecate(state, NAME, VERSION)


def test_a_package_is_submitted_under_its_name_and_version() -> None:
    given().when(submit()).then(SUBMITTED)


@pytest.mark.parametrize("history", [(SUBMITTED,), PASSED, FAILED, PUBLISHED, DEPRECATED])
def test_the_same_bytes_again_change_nothing_in_any_state(history: tuple[Any, ...]) -> None:
    given(*history).when(submit()).then()


@pytest.mark.parametrize("history", [(SUBMITTED,), PASSED, PUBLISHED, DEPRECATED])
def test_other_bytes_of_a_version_that_did_not_fail_are_refused(history: tuple[Any, ...]) -> None:
    refusal = given(*history).when(submit(OTHER_BYTES)).refused(DefinitionVersionExists)
    assert refusal.facts == {"package_sha256": digest("package")}
    assert refusal.code == "definition.version_exists"


def test_a_failed_version_may_be_submitted_again_with_other_bytes() -> None:
    again = DefinitionSubmitted(manifest=OTHER_BYTES, submitter="p_second")
    given(*FAILED).when(submit(OTHER_BYTES, "p_second")).then(again)


def test_a_new_version_stands_beside_the_old_one() -> None:
    newer = manifest(version="1.1.0", package_sha256=digest("newer"))
    given(*PUBLISHED).when(submit(newer)).then(DefinitionSubmitted(manifest=newer, submitter=AUTHOR))


def test_a_verdict_is_recorded_on_the_bytes_that_wait_for_it() -> None:
    given(SUBMITTED).when(lambda s: decider.record_evaluation(s, verdict_on(digest("package")))).then(
        evaluated("passed")
    )


def behind(gate: GateReport, package: str = "package") -> Any:
    return lambda s: decider.record_evaluation(s, verdict_on(digest(package)), gate)


def test_a_passed_gate_is_one_more_check_of_the_evaluation() -> None:
    check = Check(name="contracts", ok=True, seconds=0.0, detail="contracts that hold: 1")
    given(SUBMITTED).when(behind(GATE)).then(evaluated("passed", checks=(PASSED_CHECK, check)))


def test_a_gate_that_only_warns_says_so_in_its_check() -> None:
    check = Check(name="contracts", ok=True, seconds=0.0, detail="no column")
    warned = replace(GATE, enforced_as="warned", issues=(ISSUE,))
    given(SUBMITTED).when(behind(warned)).then(evaluated("passed", checks=(PASSED_CHECK, check)))


def test_a_blocked_gate_makes_the_evaluation_a_failure_that_knows_no_columns() -> None:
    check = Check(name="contracts", ok=False, seconds=0.0, detail="no column")
    blocked = replace(GATE, ok=False, enforced_as="blocked", issues=(ISSUE,))
    failed = evaluated("failed", checks=(PASSED_CHECK, check), hyper_parameter_schema={}, output_columns={})
    given(SUBMITTED).when(behind(blocked)).then(failed)


@pytest.mark.parametrize("history", [PASSED, FAILED, DEPRECATED])
def test_a_gate_changes_nothing_for_a_verdict_that_comes_late(history: tuple[Any, ...]) -> None:
    given(*history).when(behind(GATE)).then()
    given(SUBMITTED).when(behind(GATE, "stale")).then()


def test_a_verdict_on_other_bytes_changes_nothing() -> None:
    given(SUBMITTED).when(lambda s: decider.record_evaluation(s, verdict_on(digest("stale")))).then()


@pytest.mark.parametrize("history", [PASSED, FAILED, DEPRECATED])
def test_a_second_verdict_changes_nothing(history: tuple[Any, ...]) -> None:
    given(*history).when(lambda s: decider.record_evaluation(s, verdict_on(digest("package")))).then()


def test_a_verdict_on_an_unknown_definition_is_refused() -> None:
    given().when(lambda s: decider.record_evaluation(s, verdict_on(digest("package")))).refused(
        DefinitionUnknown
    )


def test_a_failed_version_is_evaluated_again_and_stays_its_submitters() -> None:
    given(*FAILED).when(lambda s: decider.evaluate(s, NAME, VERSION)).then(SUBMITTED)


@pytest.mark.parametrize("history", [(SUBMITTED,), PASSED, PUBLISHED])
def test_a_version_that_waits_or_passed_is_not_evaluated_again(history: tuple[Any, ...]) -> None:
    given(*history).when(lambda s: decider.evaluate(s, NAME, VERSION)).then()


def test_an_unknown_version_cannot_be_evaluated() -> None:
    given(*PASSED).when(lambda s: decider.evaluate(s, NAME, "9.9.9")).refused(DefinitionUnknown, "9.9.9")


def test_a_version_that_passed_is_published_once() -> None:
    given(*PASSED).when(publish).then(DefinitionPublished(name=NAME, version=VERSION))
    given(*PUBLISHED).when(publish).then()


@pytest.mark.parametrize("decide", [publish, deprecate])
def test_only_a_version_that_passed_is_published_or_deprecated(decide: Any) -> None:
    given().when(decide).refused(DefinitionUnknown)
    given(SUBMITTED).when(decide).refused(DefinitionNotEvaluated)
    given(*FAILED).when(decide).refused(DefinitionNotPassed)


def test_a_deprecated_version_is_not_published() -> None:
    given(*PASSED, DEPRECATED[-1]).when(publish).refused(DefinitionVersionDeprecated)


@pytest.mark.parametrize("history", [PASSED, PUBLISHED])
def test_a_version_is_deprecated_once_published_or_not(history: tuple[Any, ...]) -> None:
    given(*history).when(deprecate).then(DefinitionDeprecated(name=NAME, version=VERSION))
    given(*history, DEPRECATED[-1]).when(deprecate).then()


def use(principal: str, space: str) -> Any:
    return lambda state: (decider.usable(state, NAME, VERSION, principal=principal, space=space), ())[1]


@pytest.mark.parametrize(("principal", "space"), [("p_other", "staging"), (AUTHOR, "official")])
def test_an_unpublished_version_serves_only_its_submitter_in_staging(principal: str, space: str) -> None:
    given(*PASSED).when(use(AUTHOR, "staging")).then()
    given(*PASSED).when(use(principal, space)).refused(DefinitionNotPublished)
    given(*PUBLISHED).when(use(principal, space)).then()


def test_a_version_that_is_unknown_waiting_failed_or_deprecated_cannot_be_used() -> None:
    take = use(AUTHOR, "staging")
    given().when(take).refused(DefinitionUnknown)
    given(SUBMITTED).when(take).refused(DefinitionNotEvaluated)
    given(*FAILED).when(take).refused(DefinitionNotPassed)
    given(*DEPRECATED).when(take).refused(DefinitionVersionDeprecated)


def test_a_verdict_brings_the_schema_and_the_output_columns() -> None:
    known = given(*PASSED).state.version(NAME, VERSION)
    assert known.hyper_parameter_schema == SCHEMA
    assert known.output_columns == {"signal": "float64"}
    assert known.manifest == manifest()
