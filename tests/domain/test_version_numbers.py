"""A definition's version number says what changed; one that is too low fails its evaluation by name."""

from typing import Any

import pytest

from domain.categories import Category
from domain.ml_module_def import decider
from domain.ml_module_def.commands import RecordEvaluation
from domain.ml_module_def.compatibility import number_of
from domain.ml_module_def.events import (
    Check,
    DefinitionEvaluated,
    DefinitionPublished,
    DefinitionSubmitted,
)
from domain.ml_module_def.manifest import InputRole
from domain.shared.activity import Event
from tests.support.valid import AUTHOR, PASSED_CHECK, digest, manifest

PRICES = InputRole(role="prices", columns=("close",))
SIGNAL = {"signal": "float64"}


def package(version: str, **changes: Any) -> DefinitionSubmitted:
    made = manifest(version=version, package_sha256=digest(version), **changes)
    return DefinitionSubmitted(manifest=made, submitter=AUTHOR)


def verdict(version: str, columns: dict[str, str] | None = None, passed: str = "passed") -> RecordEvaluation:
    return RecordEvaluation(
        name="xgb-signal",
        version=version,
        package_sha256=digest(version),
        verdict=passed,
        sandbox_level="L1",
        checks=(PASSED_CHECK,),
        output_columns=columns or SIGNAL,
    )


def folded(*events: Event) -> decider.State:
    state = decider.INITIAL
    for event in events:
        state = decider.evolve(state, event)
    return state


def published(version: str, columns: dict[str, str] | None = None, **changes: Any) -> tuple[Event, ...]:
    submitted = package(version, **changes)
    evaluated = decider.record_evaluation(folded(submitted), verdict(version, columns))
    return submitted, *evaluated, DefinitionPublished(name="xgb-signal", version=version)


def check_of(
    version: str, *before: Event, columns: dict[str, str] | None = None, **changes: Any
) -> tuple[str, Check | None]:
    """The verdict of a version after these events, and its check `version`."""
    state = folded(*before, package(version, **changes))
    (event,) = decider.record_evaluation(state, verdict(version, columns))
    assert isinstance(event, DefinitionEvaluated)
    return event.verdict, next((one for one in event.checks if one.name == "version"), None)


TWO = {"signal": "float64", "rank": "int64"}
VOLUMES = InputRole(role="volumes", columns=("volume",))


@pytest.mark.parametrize(
    ("version", "columns", "changes", "words"),
    [
        ("1.3.0", SIGNAL, {}, "the output lacks rank"),
        ("1.2.1", {"signal": "float32", "rank": "int64"}, {}, "the output's signal was float64"),
        ("1.3.0", TWO, {"inputs": (PRICES, VOLUMES)}, "an input volumes is needed"),
        ("1.3.0", TWO, {"inputs": (InputRole(role="prices", columns=("close", "open")),)}, "needs open more"),
        ("1.3.0", TWO, {"category": Category.RELEVANCE}, "the category was signal"),
    ],
)
def test_what_breaks_an_instance_needs_a_new_major(
    version: str, columns: Any, changes: Any, words: str
) -> None:
    before = published("1.2.0", TWO)
    outcome, check = check_of(version, *before, columns=columns, **changes)
    assert outcome == "failed"
    assert check is not None
    assert not check.ok
    assert "against xgb-signal@1.2.0" in check.detail
    assert words in check.detail
    assert check.detail.endswith("that is a new major version, 2.0.0")
    assert check_of("2.0.0", *before, columns=columns, **changes) == ("passed", None)


def test_a_column_more_needs_a_new_minor() -> None:
    before = published("1.2.0")
    outcome, check = check_of("1.2.1", *before, columns=TWO)
    assert outcome == "failed"
    assert check is not None
    assert check.detail.endswith("the output has rank more: that is a new minor version, 1.3.0")
    assert check_of("1.3.0", *before, columns=TWO)[0] == "passed"


def test_what_an_instance_does_not_notice_needs_nothing() -> None:
    both = published("1.2.0", inputs=(PRICES, VOLUMES))
    outcome, check = check_of("1.2.1", *both)
    assert (outcome, check.ok if check else None) == ("passed", True)


def test_the_number_that_is_right_is_free() -> None:
    before = (*published("1.2.0", TWO), *published("1.4.0", TWO), *published("2.0.0"))
    _, check = check_of("1.2.1", *before)
    assert check is not None
    assert check.detail.endswith("3.0.0")
    _, check = check_of("1.2.1", *before, columns={**TWO, "third": "bool"})
    assert check is not None
    assert check.detail.endswith("1.5.0")


def test_only_a_published_release_before_it_with_the_same_major_is_kept_to() -> None:
    later, other = published("1.3.0", TWO), published("0.9.0", TWO)
    early, unpublished = published("1.2.0-rc.1", TWO), published("1.1.0", TWO)[:2]
    for before in (later, other, early, unpublished):
        assert check_of("1.2.0", *before) == ("passed", None)


def test_an_evaluation_that_failed_anyway_is_not_compared() -> None:
    state = folded(*published("1.2.0", TWO), package("1.3.0"))
    (event,) = decider.record_evaluation(state, verdict("1.3.0", passed="failed"))
    assert isinstance(event, DefinitionEvaluated)
    assert [one.name for one in event.checks] == ["structure"]


def test_numbers_are_ordered_as_semver_says() -> None:
    ordered = [
        "0.9.9",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-rc.2",
        "1.0.0-rc.11",
        "1.0.0",
    ]
    assert sorted(ordered, key=number_of, reverse=True) == ordered[::-1]
    assert number_of("1.10.0") > number_of("1.9.0")
    assert number_of("no version") < number_of("0.0.1")
