"""Server-sent events: ids are positions, a reader that comes back misses nothing, streams end in order."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from infrastructure.http.app import close_app, create_app
from tests.http.life import API, Life, served


@contextmanager
def stream(
    client: httpx.Client, headers: dict[str, str] | None = None, **query: Any
) -> Iterator[Iterator[Any]]:
    with client.stream("GET", f"{API}/activity/stream", params=query, headers=headers) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield events_of(response)


def events_of(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """Each event's data and id; the id must be its position."""
    data: dict[str, Any] | None = None
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if name == "data":
            data = json.loads(value)
        elif name == "id":
            assert data is not None
            assert int(value) == data["position"]
            yield data


def test_a_stream_tells_what_was_and_goes_on_with_what_comes(life: Life):
    life.dataset()
    with stream(life.client, beyond=0) as events:
        assert next(events)["action"] == "dataset.created"
        with httpx.Client(base_url=life.client.base_url) as other:
            Life(other, life.service).prices()
        assert next(events)["action"] == "dataset_version.written"


def test_a_reader_that_comes_back_goes_on_after_its_last_event(life: Life):
    life.ready_instance()
    with stream(life.client, {"Last-Event-ID": "2"}, beyond=0) as events:
        assert [next(events)["position"] for _ in range(3)] == [3, 4, 5]


def test_a_stream_can_be_filtered(lived: Life):
    with stream(lived.client, beyond=0, action="model_version.promoted") as events:
        assert [next(events)["resource_id"] for _ in range(2)] == ["spx-alpha@1", "spx-alpha@2"]


def test_an_event_of_a_stream_is_in_every_view(life: Life):
    with stream(life.client) as events, httpx.Client(base_url=life.client.base_url) as other:
        Life(other, life.service).dataset()
        position = next(events)["position"]
        assert other.get(f"{API}/datasets").json()["position"] >= position


def test_a_malformed_last_event_id_is_refused(lived: Life):
    answer = lived.client.get(f"{API}/activity/stream", headers={"Last-Event-ID": "x"})
    assert (answer.status_code, answer.json()["code"]) == (400, "request.parameter_malformed")


def test_streams_end_when_the_service_ends(life: Life):
    app = create_app(life.service, life.service.settings)
    with served(app) as client, stream(client) as events:
        close_app(app)
        assert list(events) == []
