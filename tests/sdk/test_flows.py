"""Flows and tasks in one process, against a service that answers from memory: what is sent, and how often."""

import json
from collections.abc import Callable, Iterator

import httpx
import pytest

from optaic.mlops import Client, Refused, pipeline
from optaic.mlops.client import use_client

CORRELATION, CAUSATION = "X-Correlation-Id", "X-Causation-Id"
Answer = Callable[[httpx.Request], httpx.Response]


class Desk:
    """Keeps every request; answers each write with a command id of its own."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answer: Answer = lambda request: httpx.Response(200, json=self.written())

    def written(self, **more: object) -> dict[str, object]:
        return {"command_id": f"c{len(self.requests)}", "position": len(self.requests), **more}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request)

    def said(self, header: str) -> list[str | None]:
        return [request.headers.get(header) for request in self.requests]


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    with Client("http://desk", transport=httpx.MockTransport(desk)) as client:
        use_client(client)
        yield desk
        use_client(None)


def stage(number: int) -> None:
    from optaic.mlops import registry

    registry.transition_stage(f"spx-alpha@{number}", "staging", reason="good")


def test_commands_of_a_flow_share_its_id_and_each_follows_from_the_one_before(desk: Desk) -> None:
    step = pipeline.task(stage)

    @pipeline.flow
    def both() -> str:
        step(1)
        step(2)
        return pipeline.workflow_id()

    workflow = both()
    assert desk.said(CORRELATION) == [workflow, workflow]
    assert desk.said(CAUSATION) == [None, "c1"]
    assert both() != workflow
    stage(3)
    assert desk.said(CORRELATION)[-1] is desk.said(CAUSATION)[-1] is None


def test_a_flow_within_a_flow_is_part_of_it(desk: Desk) -> None:
    @pipeline.flow
    def inner() -> str:
        stage(1)
        return pipeline.workflow_id()

    @pipeline.flow
    def outer() -> tuple[str, str]:
        return inner(), pipeline.workflow_id()

    first, second = outer()
    assert first == second == desk.said(CORRELATION)[0]


def test_a_flow_that_fails_ends_with_its_own_error_and_the_workflow_is_named() -> None:
    @pipeline.flow
    def broken() -> None:
        raise KeyError(pipeline.workflow_id())

    with pytest.raises(KeyError) as failure:
        broken()
    assert failure.value.__notes__ == [f"workflow {failure.value.args[0]}"]
    with pytest.raises(pipeline.NoActiveFlow):
        pipeline.workflow_id()


@pytest.mark.parametrize(("retries", "calls"), [(0, 1), (2, 3)])
def test_a_task_that_fails_is_called_again_as_often_as_it_says(retries: int, calls: int) -> None:
    made: list[int] = []

    @pipeline.task(retries=retries, pause_s=0)
    def unlucky() -> None:
        made.append(1)
        raise OSError("the feed is away")

    with pytest.raises(OSError, match="the feed is away"):
        unlucky()
    assert len(made) == calls


def test_a_task_that_succeeds_is_not_called_again() -> None:
    left = [OSError("once")]

    @pipeline.task(retries=5, pause_s=0)
    def lucky(value: int) -> int:
        if left:
            raise left.pop()
        return value

    assert lucky(3) == 3


@pytest.mark.parametrize(("status", "calls"), [(409, 1), (422, 1), (500, 3)])
def test_a_refusal_is_an_answer_and_a_failure_of_the_service_is_not(
    desk: Desk, status: int, calls: int
) -> None:
    desk.answer = lambda _: httpx.Response(status, json={"code": "version.stage_wrong"})
    with pytest.raises(Refused):
        pipeline.task(retries=2, pause_s=0)(stage)(1)
    assert len(desk.requests) == calls


def test_a_run_that_failed_is_named_by_the_one_that_its_task_submits_next(desk: Desk) -> None:
    failed = {"id": "r1", "instance": "spx-alpha", "kind": "training", "state": "failed"}
    ends = [
        failed,
        {**failed, "id": "r2", "state": "completed"},
        {**failed, "id": "r3", "state": "completed"},
    ]
    desk.answer = lambda _: httpx.Response(201, json=desk.written(run_id=ends[0]["id"], run=ends.pop(0)))

    @pipeline.task(retries=1, pause_s=0)
    def train() -> str:
        return str(pipeline.run_now("spx-alpha")["id"])

    @pipeline.flow
    def weekly() -> tuple[str, str]:
        return train(), train()

    assert weekly() == ("r2", "r3")
    bodies = [json.loads(request.content) for request in desk.requests]
    assert [body.get("retry_of") for body in bodies] == [None, "r1", None]


@pytest.mark.parametrize("wrong", [{"retries": -1}, {"retries": 11}, {"pause_s": -0.1}])
def test_retries_are_bounded(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="0 to 10 retries"):
        pipeline.task(**wrong)  # pyright: ignore[reportArgumentType, reportCallIssue]


@pytest.mark.parametrize("decorate", [pipeline.flow, pipeline.task])
def test_a_coroutine_function_is_refused_by_its_name(decorate: Callable[[object], object]) -> None:
    async def later() -> None: ...

    with pytest.raises(TypeError, match="later is a coroutine function"):
        decorate(later)


def scheduled(desk: Desk, stand: list[dict[str, object]], refusals: int = 0) -> None:
    """Answer as an instance with these schedules, that somebody changes `refusals` times meanwhile."""
    left = [refusals]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            view = {"specification": {"schedules": stand}, "stream_version": 7 - left[0], "items": []}
            return httpx.Response(200, json=view)
        if left[0]:
            left[0] -= 1
            return httpx.Response(412, json={"code": "resource.version_stale"})
        return httpx.Response(200, json=desk.written())

    desk.answer = answer


def patches(desk: Desk) -> list[httpx.Request]:
    return [request for request in desk.requests if request.method == "PATCH"]


WEEKLY = {"kind": "training", "cron": "0 6 * * 1", "timezone": "UTC", "enabled": True}
DAILY = {"kind": "inference", "cron": "0 6 * * *", "timezone": "UTC", "enabled": True}
FOLLOWING = {"kind": "training", "enabled": True, "after_dataset": "us-prices"}


def test_a_schedule_replaces_those_of_its_kind_only_or_stands_beside_them(desk: Desk) -> None:
    scheduled(desk, [WEEKLY, DAILY])
    pipeline.schedule("spx-alpha", "training", after="us-prices")
    pipeline.schedule("spx-alpha", "training", after="us-prices", beside=True)
    pipeline.schedule("spx-alpha", "training", cron="0 6 * * 1", beside=True)
    pipeline.unschedule("spx-alpha", "training")
    written = [json.loads(request.content)["schedules"] for request in patches(desk)]
    assert written == [[DAILY, FOLLOWING], [WEEKLY, DAILY, FOLLOWING], [DAILY, WEEKLY], [DAILY]]


def test_schedules_that_somebody_changed_meanwhile_are_read_again(desk: Desk) -> None:
    scheduled(desk, [], refusals=2)
    pipeline.schedule("spx-alpha", "training", cron="0 6 * * 1", zone="Europe/Paris", misfire="skip")
    assert [request.headers["If-Match"] for request in patches(desk)] == ['"5"', '"6"', '"7"']
    scheduled(desk, [], refusals=99)
    with pytest.raises(Refused):
        pipeline.schedule("spx-alpha", "training", cron="0 6 * * 1")
    assert len(patches(desk)) == 3 + 5


@pytest.mark.parametrize("wrong", [{}, {"cron": "0 6 * * 1", "after": "us-prices"}])
def test_a_schedule_has_one_trigger(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="give cron or after"):
        pipeline.schedule("spx-alpha", "training", **wrong)  # pyright: ignore[reportArgumentType]
