"""Commands made in this process keep their declared bounds, and no event outside of them is ever recorded."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from domain.alert_rules import AlertRule
from domain.catalogue import COMMANDS, EVENT_CLASSES
from domain.model_instance.specification import Config, Limits
from domain.run import decider as runs
from domain.run.commands import LogMetrics
from domain.run.events import RunMetricsLogged
from domain.run.pins import MetricPoint
from domain.shared.activity import Event
from domain.shared.command import Command
from domain.shared.errors import CommandMalformed
from infrastructure.activity_log.errors import EventPayloadOutOfBounds
from infrastructure.activity_log.payload import encode_payload
from tests.support.desk import Desk, created
from tests.support.spoiled import spoiled
from tests.support.valid import RUN, run_submitted


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("bounds")
    with Desk(folder) as desk:
        desk.ready()
        yield desk


@pytest.mark.parametrize("of", [of for of in COMMANDS.values() if spoiled(of)])
def test_a_value_out_of_bounds_is_refused_and_leaves_the_log_as_it_was(desk: Desk, of: type[Command]) -> None:
    head = desk.log.head()
    for command in spoiled(of):
        with pytest.raises(CommandMalformed) as refused:
            desk.send(command, may_override=True)
        assert str(refused.value.facts["path"]).startswith("$")
    assert desk.log.head() == head


@pytest.mark.parametrize("of", [of for of in EVENT_CLASSES if of is not RunMetricsLogged and spoiled(of)])
def test_an_event_out_of_bounds_is_never_encoded(of: type[Event]) -> None:
    for event in spoiled(of):
        with pytest.raises(EventPayloadOutOfBounds):
            encode_payload(event)


def test_points_are_the_checked_commands_own_within_the_same_bounds() -> None:
    command = LogMetrics(run_id=RUN, points=(MetricPoint(name="loss", step=1, value=0.5),))
    (event,) = runs.log_metrics(runs.State(submitted=run_submitted(), status="running"), command)
    assert isinstance(event, RunMetricsLogged)
    assert event.points is command.points
    assert items_of(RunMetricsLogged) == items_of(LogMetrics)


def items_of(cls: type[msgspec.Struct]) -> inspect.Type:
    """The type of one point."""
    (points,) = (field.type for field in msgspec.structs.fields(cls) if field.name == "points")
    kind = inspect.type_info(points)
    assert isinstance(kind, inspect.VarTupleType)
    return kind.item_type


@pytest.mark.parametrize(
    ("changes", "path", "bound"),
    [
        ({"config": Config(max_age=0)}, "$.config.max_age", "`int` >= 1"),
        ({"limits": Limits(memory_mib=2_000_000)}, "$.limits.memory_mib", "`int` <= 1048576"),
        ({"tags": ("",)}, "$.tags[0]", "matching regex"),
    ],
)
def test_the_refusal_names_field_and_bound(desk: Desk, changes: Any, path: str, bound: str) -> None:
    refused = desk.refused(CommandMalformed, created("other", **changes))
    assert refused.facts["path"] == path
    assert bound in refused.facts["bound"]
    assert bound in refused.detail


def test_what_json_cannot_say_is_refused_by_name(desk: Desk) -> None:
    desk.refused(CommandMalformed, created("other", config=Config(hyper_parameters={"depth": object()})))
    desk.refused(CommandMalformed, created("other", description="\ud800"))


def test_a_number_that_is_none_is_refused_where_a_number_has_to_be(desk: Desk) -> None:
    rule = AlertRule(metric="rank_ic", comparison="lt", threshold=math.nan)
    desk.refused(CommandMalformed, created("other", alert_rules=(rule,)))


def test_a_dry_run_is_checked_too(desk: Desk) -> None:
    desk.refused(CommandMalformed, created("other", config=Config(max_age=0)), dry_run=True)
