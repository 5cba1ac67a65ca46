"""Keys over HTTP, on the command line and in the SDK; and who may listen where."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from domain.access.errors import AccessBootstrapped
from domain.access.events import AccessDenied, AccessGranted, AccessRevoked
from domain.shared.errors import CommandMalformed, StreamConflict
from infrastructure.access.bootstrap import bootstrap
from infrastructure.access.denials import Denials
from infrastructure.access.directory import AccessDirectory
from infrastructure.access.keys import digest, key_id_of
from infrastructure.http.app import create_app
from infrastructure.http.run_tokens import RunTokens
from infrastructure.settings import SettingHostNotLoopback, Settings
from optaic.mlops.client import Client, Refused
from tests.cli.commands import here
from tests.http.keyed import TENANT, House, bearer, housed
from tests.http.life import API, Life, declaration, living
from tests.support.desk import Desk

KEYS = f"{API}/access/keys"
WISH = {"principal": "service:datahub", "role": "writer", "label": "nightly loads", "reason": "new feed"}
DATASET = {"name": "us-prices", "declaration": declaration([{"name": "close", "type": "float64"}])}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with housed(tmp_path / "data") as one:
        yield one


def events_of(house: House, kind: type) -> list[Any]:
    return [one.event for one in house.service.log.read(0, 1000) if isinstance(one.event, kind)]


def test_a_granted_key_works_at_once_and_a_revoked_one_no_more(house: House):
    granted = house.post("/access/keys", WISH, 201)
    key = granted["key"]
    assert granted["key_id"] == key_id_of(key)
    assert granted["refs"] == [f"access:{granted['key_id']}"]
    assert house.asks(key, "POST", f"{API}/datasets", json=DATASET).status_code == 201
    revoked = house.post(f"/access/keys/{granted['key_id']}/revoke", {"reason": "the feed ended"})
    assert revoked["outcome"] == "accepted"
    refused = house.asks(key, "GET", f"{API}/datasets")
    assert (refused.status_code, refused.json()["code"]) == (401, "access.key_revoked")
    again = house.post(f"/access/keys/{granted['key_id']}/revoke", {"reason": "the feed ended"})
    assert again["outcome"] == "unchanged"


def test_events_say_who_did_it_with_a_key(house: House):
    writer = house.keys["writer"]
    assert house.asks(writer, "POST", f"{API}/datasets", json=DATASET).status_code == 201
    (event,) = house.get("/activity", after=house.head(), action="dataset.created")["items"]
    assert (event["actor"], event["method"]) == ("p_writer", "api_key")


def test_the_log_holds_a_hash_and_nothing_else_of_a_key(house: House):
    granted = house.post("/access/keys", WISH, 201)
    (event,) = (one for one in events_of(house, AccessGranted) if one.key_id == granted["key_id"])
    assert event.secret_sha256 == digest(granted["key"])
    assert (event.principal, event.role, event.label) == ("service:datahub", "writer", "nightly loads")
    assert all(granted["key"].encode() not in one.payload for one in house.service.log.read(0, 1000))


def test_keys_are_listed_without_key_or_hash(house: House):
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    granted = house.post("/access/keys", {**WISH, "expires_at": until}, 201)
    house.revoked("reader")
    items = house.get("/access/keys")["items"]
    assert [one["state"] for one in items] == ["live", "live", "live", "live", "revoked"]
    ours = next(one for one in items if one["key_id"] == granted["key_id"])
    assert set(ours) == {"key_id", "principal", "role", "label", "expires_at", "state"}
    listed = json.dumps(items)
    assert granted["key"] not in listed
    assert digest(granted["key"]) not in listed


def test_the_activity_tells_grants_and_revocations_in_words(house: House):
    granted = house.post("/access/keys", WISH, 201)
    house.post(f"/access/keys/{granted['key_id']}/revoke", {"reason": "over"})
    query = {"resource_type": "access", "resource_id": granted["key_id"], "after": house.head()}
    revoked, first = house.get("/activity", **query)["items"]
    assert first["sentence"] == f"service:datahub got the writer key {granted['key_id']}."
    assert first["reason"] == "new feed"
    assert "secret_sha256" not in first["payload"]
    assert "secret_sha256" not in house.get(f"/activity/{first['position']}")["payload"]
    assert (revoked["sentence"], revoked["reason"]) == (f"The key {granted['key_id']} was revoked.", "over")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"principal": "p_ada"}, 400, "command.malformed"),
        ({**WISH, "role": "owner"}, 400, "command.malformed"),
        ({**WISH, "principal": "ada"}, 400, "command.malformed"),
        ({**WISH, "secret_sha256": "0" * 64}, 400, "command.malformed"),
        ({**WISH, "expires_at": "2026-01-01"}, 400, "command.malformed"),
        ({**WISH, "expires_at": "2020-01-01T00:00:00Z"}, 422, "access.expiry_past"),
    ],
)
def test_a_wish_that_cannot_be_is_refused(house: House, body: Any, status: int, code: str):
    head = house.head()
    assert house.post("/access/keys", body, status)["code"] == code
    assert house.head() == head


def test_a_key_that_was_never_given_out_cannot_be_revoked(house: House):
    answer = house.post(f"/access/keys/{'0' * 16}/revoke", {"reason": "x"}, 404)
    assert answer["code"] == "access.key_unknown"
    assert house.post("/access/keys/nonsense/revoke", {"reason": "x"}, 400)["code"] == "command.malformed"


def test_revoking_needs_a_reason(house: House):
    key_id = key_id_of(house.keys["reader"])
    assert house.post(f"/access/keys/{key_id}/revoke", {}, 422)["code"] == "reason.missing"


def test_a_repeated_grant_shows_no_second_key(house: House):
    headers = {"Idempotency-Key": "grant-1"}
    house.post("/access/keys", WISH, 201, headers)
    head = house.head()
    assert house.post("/access/keys", WISH, 409, headers)["code"] == "command.id_reused"
    assert house.head() == head


# --- denials


def test_what_a_role_may_not_is_an_event_once_a_minute(house: House):
    for _ in range(5):
        answer = house.asks(house.keys["reader"], "POST", f"{API}/datasets", json=DATASET)
        assert (answer.status_code, answer.json()["code"]) == (403, "access.role_missing")
    house.asks(house.keys["writer"], "POST", f"{API}/system/rebuild")
    first, second = events_of(house, AccessDenied)
    assert (first.principal, first.role, first.operation, first.role_needed) == (
        "p_reader",
        "reader",
        f"POST {API}/datasets",
        "writer",
    )
    assert (second.principal, second.operation) == ("p_writer", f"POST {API}/system/rebuild")
    told = house.get("/activity", after=house.head(), action="access.denied")["items"][0]
    assert told["actor"] == "p_writer"
    assert "which needs the role operator" in told["sentence"]


def test_strangers_leave_no_event(house: House):
    head = house.head()
    for key in (None, "optaic_x", "Bearer"):
        assert house.asks(key, "POST", f"{API}/datasets", json=DATASET).status_code == 401
    assert house.head() == head


def test_a_denial_is_answered_even_if_it_cannot_be_recorded(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Denials, "_is_due", lambda *_: True)
    monkeypatch.setattr(house.service.bus, "send", lambda *_: (_ for _ in ()).throw(OSError("no log")))
    assert house.asks(house.keys["reader"], "POST", f"{API}/datasets", json=DATASET).status_code == 403


# --- streams and outages


def test_a_stream_ends_when_its_key_does(house: House):
    key = house.given("reader")
    with (
        httpx.Client(base_url=house.client.base_url, timeout=60) as client,
        client.stream("GET", f"{API}/activity/stream", headers=bearer(key)) as answer,
    ):
        lines = answer.iter_lines()
        assert next(lines) == ": connected"
        over = {"reason": "over"}
        revoking = threading.Thread(target=house.post, args=(f"/access/keys/{key_id_of(key)}/revoke", over))
        revoking.start()
        rest = list(lines)
        revoking.join()
    assert not [line for line in rest if line.startswith("data")], "an event after the revocation was shown"


def test_a_stream_shows_its_own_tenants_events_only(house: House):
    house.dataset()
    seen: list[str] = []
    with (
        httpx.Client(base_url=house.client.base_url, timeout=60) as client,
        client.stream("GET", f"{API}/activity/stream?beyond=0", headers=bearer(house.other)) as answer,
    ):
        lines = answer.iter_lines()
        next(lines)
        own = {"name": "of-zeta", "declaration": DATASET["declaration"]}
        assert house.asks(house.other, "POST", f"{API}/datasets", json=own).status_code == 201
        for line in lines:
            if line.startswith("data"):
                seen.append(json.loads(line[5:])["sentence"])
            if seen and "of-zeta" in seen[-1]:
                break
    assert [sentence for sentence in seen if "p_stranger" not in sentence and "of-zeta" not in sentence] == []


def test_nobody_is_let_in_while_keys_cannot_be_looked_up(house: House, monkeypatch: pytest.MonkeyPatch):
    def away(*_: object) -> None:
        raise OSError("the database is away")

    monkeypatch.setattr("infrastructure.access.directory.STALE_S", 0.0)
    monkeypatch.setattr("infrastructure.access.directory.FRESH_S", 0.0)
    monkeypatch.setattr(house.service.log, "read_of_type", away)
    answer = house.asks(house.keys["reader"], "GET", f"{API}/datasets")
    assert (answer.status_code, answer.json()["code"]) == (503, "access.unchecked")
    assert answer.headers["Retry-After"] == "1"
    assert house.asks(None, "GET", f"{API}/health").status_code == 200


# --- who may listen where


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "mlops.example"])
def test_without_a_database_and_so_without_keys_only_this_machine_reaches_the_service(host: str):
    with pytest.raises(SettingHostNotLoopback):
        Settings(host=host)
    assert Settings(host=host, database_url=SecretStr("postgresql://x@y/z")).host == host


def test_no_app_without_keys_is_made_for_an_open_host(tmp_path: Path):
    with living(tmp_path / "data") as life:
        opened = life.service.settings.model_copy(update={"host": "0.0.0.0"})
        with pytest.raises(SettingHostNotLoopback):
            create_app(life.service, opened)
        create_app(life.service, opened, access=AccessDirectory(life.service.log))


def test_with_keys_any_host_name_and_origin_will_do(house: House):
    headers = {"Host": "mlops.example", "Origin": "https://mlops.example"}
    answer = house.asks(house.keys["writer"], "POST", f"{API}/datasets", json=DATASET, headers=headers)
    assert answer.status_code == 201


# --- the run's token


def test_the_embedded_service_takes_a_runs_token_in_either_header(tmp_path: Path):
    with living(tmp_path / "data") as life:
        life.ready_instance()
        run_id = life.submit()
        token = life.post(f"/runs/{run_id}/start", {"worker": "test"})["token"]
        for headers in ({"X-Run-Token": token}, bearer(token)):
            life.post(f"/runs/{run_id}/progress", {"fraction": 0.5}, 200, headers)
        wrong = {"X-Run-Token": "x", **bearer(token)}
        answer = life.post(f"/runs/{run_id}/progress", {"fraction": 0.5}, 403, wrong)
        assert answer["code"] == "run.token_invalid"


def test_a_token_is_of_one_tenant():
    tokens = RunTokens(b"k" * 32)
    assert len({tokens.make("run"), tokens.make("run", "acme"), tokens.make("run", "zeta")}) == 3


# --- the first key


def test_bootstrap_gives_an_operator_key_once(tmp_path: Path):
    with Desk(tmp_path) as desk:
        key = bootstrap(desk.log, TENANT, "p_boss")
        directory = AccessDirectory(desk.log)
        directory.refresh()
        found = directory.identity_of(key)
        assert (found.tenant, found.principal, found.role) == (TENANT, "p_boss", "operator")
        with pytest.raises(AccessBootstrapped):
            bootstrap(desk.log, TENANT, "p_thief")
        assert bootstrap(desk.log, "zeta", "p_other") != key
        assert desk.log.head() == 2


def test_of_many_who_bootstrap_at_once_one_gets_a_key(tmp_path: Path):
    with Desk(tmp_path) as desk:
        keys: list[str] = []
        refused: list[Exception] = []

        def try_it(number: int) -> None:
            try:
                keys.append(bootstrap(desk.log, TENANT, f"p_{number}"))
            except (AccessBootstrapped, StreamConflict) as error:
                refused.append(error)

        threads = [threading.Thread(target=try_it, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(keys), len(refused), desk.log.head()) == (1, 7, 1)


@pytest.mark.parametrize(("tenant", "principal"), [("Acme!", "p_boss"), ("", "p_boss"), (TENANT, "boss")])
def test_bootstrap_wants_good_names(tmp_path: Path, tenant: str, principal: str):
    with Desk(tmp_path) as desk, pytest.raises(CommandMalformed):
        bootstrap(desk.log, tenant, principal)


# --- command line and SDK


def optaic(house: House, *arguments: str, key: str = "operator") -> Any:
    return here(
        *arguments,
        "--url",
        str(house.client.base_url).rstrip("/"),
        OPTAIC_MLOPS_API_KEY=house.keys.get(key, key),
    )


def test_the_command_line_grants_lists_and_revokes(house: House):
    granted = optaic(house, "access", "grant", "--principal", "p_ada", "--role", "reader", "--json").json()
    assert house.asks(granted["key"], "GET", f"{API}/datasets").status_code == 200
    shown = optaic(house, "access", "grant", "--principal", "p_bob", "--role", "reader", "--label", "desk")
    assert "optaic_" in shown.out
    listed = optaic(house, "access", "list")
    assert "p_bob" in listed.out
    assert "optaic_" not in listed.out
    ended = optaic(house, "access", "revoke", granted["key_id"], "--reason", "lost")
    assert ended.code == 0, ended
    assert house.asks(granted["key"], "GET", f"{API}/datasets").status_code == 401


def test_the_command_line_says_what_the_door_said(house: House):
    refused = optaic(house, "access", "list", key="writer")
    assert (refused.code, refused.err.split(":")[0]) == (1, "access.role_missing")
    stranger = optaic(house, "access", "list", key="optaic_x")
    assert (stranger.code, stranger.err.split(":")[0]) == (1, "access.key_invalid")


def test_bootstrap_asks_for_a_database():
    ran = here("access", "bootstrap", "--tenant", TENANT, "--principal", "p_boss")
    assert (ran.code, ran.err.split(":")[0]) == (2, "access.database_missing")


def test_the_sdk_sends_the_key_and_the_runs_token(house: House, monkeypatch: pytest.MonkeyPatch):
    url = str(house.client.base_url).rstrip("/")
    house.ready_instance()
    with Client(url, api_key=house.keys["writer"]) as client:
        run_id = client.submit_run("spx-alpha", "training", as_of="2024-03-08T22:00:00Z")["run_id"]
        token = client.start_run(run_id, "sdk")["token"]
        client.report_progress(run_id, token, 0.5, "half")
        client.log_metrics(run_id, token, [{"name": "loss", "step": 0, "value": 0.5}])
        client.fail_run(run_id, token, code="x.y", message="no")
    monkeypatch.setenv("OPTAIC_MLOPS_API_KEY", house.keys["reader"])
    with Client(url) as client:
        assert client.get_run(run_id)["state"] == "failed"
        with pytest.raises(Refused, match=r"access\.role_missing"):
            client.cancel_run(run_id)
    monkeypatch.delenv("OPTAIC_MLOPS_API_KEY")
    with Client(url) as client, pytest.raises(Refused, match=r"access\.key_missing"):
        client.get_run(run_id)


def test_a_life_needs_no_key_where_none_is_asked_for(life: Life):
    granted = life.post("/access/keys", WISH, 201)
    assert life.client.get(f"{API}/datasets", headers=bearer(granted["key"])).status_code == 200
    (event,) = (one.event for one in life.service.log.read(0, 10))
    assert isinstance(event, AccessGranted)
    life.post(f"/access/keys/{granted['key_id']}/revoke", {"reason": "over"})
    assert isinstance(life.service.log.read(1, 1)[0].event, AccessRevoked)
