"""The demonstration and the README's walk through the roles of the compose file, then an end in order."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from infrastructure.views import PROJECTIONS
from tests.kafka.conftest import read_whole_topic
from tests.support.compose import Stack
from tests.support.processes import wait_until


@pytest.fixture(scope="module")
def told(stack: Stack) -> str:
    """What the demonstration said, played on the roles."""
    return stack.run("serve", ["demo", "--production"], OPTAIC_MLOPS_TENANT="demo")


@pytest.fixture(scope="module")
def client(stack: Stack, told: str) -> Iterator[httpx.Client]:
    """An operator of the demonstration's tenant."""
    command = ["access", "bootstrap", "--tenant", "demo", "--principal", "p_operator", "--json"]
    key = json.loads(stack.run("serve", command))["key"]
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=stack.api, headers=headers, timeout=120) as opened:
        yield opened


@pytest.mark.timeout(900)
def test_every_claim_of_the_demonstration_holds_on_postgresql_and_kafka(told: str):
    assert "us-regime@1" in told
    assert f"state hashes equal to the live ones, {len(PROJECTIONS)} of {len(PROJECTIONS)}" in told
    assert "NOT TRUE" not in told


def test_the_log_is_on_kafka_event_by_event_in_its_order(stack: Stack, told: str):
    with psycopg.connect(stack.database_url) as connection:
        rows = connection.execute(
            "SELECT position, event_id, tenant, payload FROM optaic_log.activity_log ORDER BY position"
        ).fetchall()
    found = {}
    for message in read_whole_topic(stack.kafka.bootstrap, "optaic.mlops.activity.v1"):
        headers = {name: value.decode() for name, value in message.headers}
        found[int(headers["ce_sequence"])] = (headers["ce_id"], message.key.decode(), message.value)
    assert [found.get(row[0]) for row in rows] == [(row[1], row[2], bytes(row[3])) for row in rows]


def test_the_api_asks_for_a_key_and_answers_as_of_any_moment(client: httpx.Client, stack: Stack):
    assert httpx.get(f"{stack.api}/instances").status_code == 401
    names = [one["name"] for one in client.get("/instances").json()["items"]]
    spx = ["spx-alpha", "spx-blend", "spx-picks", "spx-rules"]
    assert names == ["feed-watch", "move-drivers", *spx, "us-regime"]
    assert client.get("/instances", params={"as_of": 1}).json()["items"] == []


def test_a_command_over_http_is_visible_at_once(client: httpx.Client):
    declaration = {"columns": [{"name": "value", "type": "float64"}]}
    made = client.post("/datasets", json={"name": "read-your-writes", "declaration": declaration})
    assert made.status_code == 201, made.text
    after = made.headers["X-Log-Position"]
    assert client.get("/datasets/read-your-writes", params={"after": after}).status_code == 200


def created(client: httpx.Client, name: str, **more: Any) -> None:
    """An instance of the demonstration's signal."""
    asked = {
        "name": name,
        "definition": "xgb-signal@1.0.0",
        "training_datasets": [
            {"dataset": "us-prices", "role": "prices"},
            {"dataset": "us-index", "role": "index"},
        ],
        "config": {"calendar": "XNYS", "horizon": 5},
    }
    made = client.post("/instances", json=asked | more)
    assert made.status_code == 201, made.text


@pytest.fixture(scope="module")
def each_minute(client: httpx.Client) -> str:
    """An instance with a slot at each full minute; while that comes, others train."""
    created(client, "each-minute", schedules=[{"kind": "inference", "cron": "* * * * *"}])
    return "each-minute"


def test_a_model_is_trained_by_the_worker_over_http(client: httpx.Client, each_minute: str):
    """The first lines of the README's walk."""
    created(client, "walk")
    run = client.post(
        "/instances/walk/runs",
        params={"wait": 100},
        json={"kind": "training", "as_of": "2020-12-31T21:00:00Z"},
    )
    assert run.status_code == 201, run.text
    assert run.json()["run"]["state"] == "completed", run.json()["run"]["error"]
    promoted = client.post("/versions/walk@1/promote", json={"reason": "first version"})
    assert promoted.status_code == 200, promoted.text


@pytest.mark.timeout(180)
def test_the_schedule_role_settles_the_slots_of_a_cron_line(client: httpx.Client, each_minute: str):
    """Without a version nothing can be predicted: the slot is skipped, with its cause."""

    def skipped() -> list[dict[str, Any]]:
        query = {"resource_id": each_minute, "action": "model_instance.slot_skipped"}
        return client.get("/activity", params=query).json()["items"]

    wait_until(lambda: bool(skipped()), "no slot was skipped", 100)
    first = skipped()[-1]
    assert first["actor"] == "policy:schedule"
    shown = client.get(f"/activity/{first['position']}").json()
    assert shown["payload"]["cause"] == "instance.no_active_version"
    archived = client.post(f"/instances/{each_minute}/archive", json={"reason": "seen"})
    assert archived.status_code == 200, archived.text


@pytest.mark.timeout(180)
def test_every_role_ends_in_order_and_starts_again_where_it_was(stack: Stack, client: httpx.Client):
    before = client.get("/instances").json()
    assert set(stack.stop().values()) == {0}
    for role in stack.roles.values():
        role.start()
    stack.wait_ready()
    assert client.get("/instances").json()["items"] == before["items"]
