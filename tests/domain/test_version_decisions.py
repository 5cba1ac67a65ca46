"""Model versions: none, staging, production, archived."""

from typing import Any

import pytest

from domain.model_version import decider
from domain.model_version.commands import AnnotateVersion
from domain.model_version.errors import (
    VersionAlreadyInProduction,
    VersionInProduction,
    VersionNeverStaged,
    VersionNotArchived,
    VersionNotNew,
    VersionNotStaged,
    VersionPurgedAlready,
    VersionUnknown,
)
from domain.model_version.events import (
    VersionAnnotated,
    VersionArchived,
    VersionPromoted,
    VersionPurged,
    VersionRolledBack,
    VersionStaged,
)
from tests.support.given_when_then import Given
from tests.support.valid import digest, version_registered

given = Given(decider.INITIAL, decider.evolve)
OF: Any = {"instance": "spx-alpha", "number": 1}
NEW = (version_registered(stage="none"),)
STAGED = (version_registered(stage="staging"),)
PROMOTED = (*STAGED, VersionPromoted(**OF, replaces=None))
ARCHIVED = (*PROMOTED, VersionArchived(**OF, former_stage="production", replaced_by=2))
NEVER_STAGED = (*NEW, VersionArchived(**OF, former_stage="none", replaced_by=None))
PURGE = VersionPurged(**OF, artifact_sha256=digest("artifact"), forced=False)


def stage(state: decider.State) -> Any:
    return decider.stage(state, "spx-alpha", 1)


def promote(state: decider.State) -> Any:
    return decider.promote(state, "spx-alpha", 1, 7)


def rollback(state: decider.State) -> Any:
    return decider.rollback(state, "spx-alpha", 1, 7)


def archive(state: decider.State) -> Any:
    return decider.archive(state, "spx-alpha", 1, None)


def purge(state: decider.State, *, force: bool = False) -> Any:
    return decider.purge(state, "spx-alpha", 1, force=force)


def annotate(**changes: Any) -> Any:
    return lambda state: decider.annotate(state, AnnotateVersion(**OF, **changes))


def test_a_new_version_is_staged() -> None:
    given(*NEW).when(stage).then(VersionStaged(**OF))


@pytest.mark.parametrize("history", [STAGED, PROMOTED, ARCHIVED])
def test_only_a_new_version_is_staged(history: tuple[Any, ...]) -> None:
    given(*history).when(stage).refused(VersionNotNew)


def test_a_staged_version_is_promoted_and_names_the_one_it_replaces() -> None:
    given(*STAGED).when(promote).then(VersionPromoted(**OF, replaces=7))
    given(*NEW, VersionStaged(**OF)).when(promote).then(VersionPromoted(**OF, replaces=7))


@pytest.mark.parametrize("history", [NEW, ARCHIVED])
def test_a_version_from_none_or_from_the_archive_is_not_promoted(history: tuple[Any, ...]) -> None:
    given(*history).when(promote).refused(VersionNotStaged)


def test_an_archived_version_comes_back_by_rollback() -> None:
    given(*ARCHIVED).when(rollback).then(VersionRolledBack(**OF, replaces=7))


@pytest.mark.parametrize("history", [NEW, STAGED])
def test_only_an_archived_version_is_rolled_back_to(history: tuple[Any, ...]) -> None:
    given(*history).when(rollback).refused(VersionNotArchived)


def test_a_version_that_never_passed_its_gate_does_not_come_back_from_the_archive() -> None:
    given(*NEVER_STAGED).when(rollback).refused(VersionNeverStaged)


@pytest.mark.parametrize("decide", [promote, rollback])
@pytest.mark.parametrize("history", [PROMOTED, (*ARCHIVED, VersionRolledBack(**OF, replaces=2))])
def test_a_production_version_is_in_production_already(history: tuple[Any, ...], decide: Any) -> None:
    given(*history).when(decide).refused(VersionAlreadyInProduction)


@pytest.mark.parametrize(
    ("history", "former"), [(NEW, "none"), (STAGED, "staging"), (PROMOTED, "production")]
)
def test_a_version_is_archived_from_any_stage_and_remembers_which(
    history: tuple[Any, ...], former: Any
) -> None:
    given(*history).when(archive).then(VersionArchived(**OF, former_stage=former, replaced_by=None))


def test_archiving_again_changes_nothing() -> None:
    given(*ARCHIVED).when(archive).then()


def test_description_and_tags_change_by_an_event_with_tags_sorted_once_each() -> None:
    given(*NEW).when(annotate(description="good", tags=("b", "a", "b"))).then(
        VersionAnnotated(**OF, description="good", tags=("a", "b"))
    )


def test_an_annotation_keeps_what_it_leaves_out_and_repeats_nothing() -> None:
    before = (*NEW, VersionAnnotated(**OF, description="good", tags=("a",)))
    given(*before).when(annotate(tags=())).then(VersionAnnotated(**OF, description="good", tags=()))
    given(*before).when(annotate(description="")).then(VersionAnnotated(**OF, description="", tags=("a",)))
    given(*before).when(annotate(description="good", tags=("a",))).then()
    given(*before).when(annotate()).then()


@pytest.mark.parametrize("history", [NEW, STAGED, ARCHIVED])
def test_an_artifact_is_purged_once(history: tuple[Any, ...]) -> None:
    given(*history).when(purge).then(PURGE)
    given(*history, PURGE).when(purge).then()


def test_a_production_artifact_is_purged_by_force_only() -> None:
    given(*PROMOTED).when(purge).refused(VersionInProduction)
    forced = VersionPurged(**OF, artifact_sha256=digest("artifact"), forced=True)
    given(*PROMOTED).when(lambda s: purge(s, force=True)).then(forced)


@pytest.mark.parametrize(("history", "decide"), [(NEW, stage), (STAGED, promote), (ARCHIVED, rollback)])
def test_a_purged_version_never_serves_again(history: tuple[Any, ...], decide: Any) -> None:
    given(*history, PURGE).when(decide).refused(VersionPurgedAlready)


@pytest.mark.parametrize("decide", [stage, promote, rollback, archive, purge, annotate(description="x")])
def test_an_unknown_version_refuses_everything(decide: Any) -> None:
    given().when(decide).refused(VersionUnknown)


def test_an_artifact_is_addressed_by_its_content() -> None:
    assert version_registered().artifact_uri == f"artifact:sha256/{digest('artifact')}"
