"""G9, the rest: tenant and role come from the key alone; what stands in no table is closed to everybody."""

import http.client
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.websockets import WebSocket

from infrastructure.access.directory import AccessDirectory
from infrastructure.access.keys import new_key
from infrastructure.http.app import create_app
from infrastructure.http.route_roles import OPERATOR_COMMANDS
from tests.http.keyed import OTHER, TENANT, House, housed
from tests.http.life import API, declaration

ROLES = ("reader", "writer", "operator")
COLUMNS = [{"name": "close", "type": "float64"}]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with housed(tmp_path_factory.mktemp("house") / "data") as one:
        one.ready_instance()
        yield one


@pytest.mark.parametrize("headers", [{"X-Tenant": TENANT}, {"X-Forwarded-User": "p_boss"}, {"Host": TENANT}])
def test_no_header_changes_who_one_is(house: House, headers: dict[str, str]):
    answer = house.asks(house.other, "GET", f"{API}/version", headers=headers)
    assert answer.json()["tenant"] == OTHER


def test_one_name_in_two_tenants_is_two_things(house: House):
    body = {"name": "shared-name", "declaration": declaration(COLUMNS)}
    assert house.asks(house.keys["writer"], "POST", f"{API}/datasets", json=body).status_code == 201
    assert house.asks(house.other, "POST", f"{API}/datasets", json=body).status_code == 201
    again = house.asks(house.other, "POST", f"{API}/datasets", json=body)
    assert again.json()["code"] == "dataset.exists"


def test_one_idempotency_key_in_two_tenants_is_two_commands(house: House):
    key = {"Idempotency-Key": "the-same"}
    ours = {"name": "ours-alone", "declaration": declaration(COLUMNS)}
    theirs = {"name": "theirs-alone", "declaration": declaration(COLUMNS)}
    first = house.asks(house.keys["writer"], "POST", f"{API}/datasets", json=ours, headers=key)
    other = house.asks(house.other, "POST", f"{API}/datasets", json=theirs, headers=key)
    assert (first.status_code, other.status_code) == (201, 201)


def test_one_command_id_in_two_tenants_is_two_commands(house: House):
    envelope = {
        "command_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "type": "create_dataset",
        "data": {"name": "by-envelope", "declaration": declaration(COLUMNS)},
    }
    for key in (house.keys["writer"], house.other):
        answer = house.asks(key, "POST", f"{API}/commands", json=envelope)
        assert (answer.status_code, answer.json()["repeated"]) == (201, False)


def test_a_runs_token_is_of_its_tenant_and_its_run(house: House):
    ours = house.submit()
    token = house.claim(ours)
    body = {"fraction": 0.5, "message": "half"}
    path = f"{API}/runs/{ours}/progress"
    theirs = house.asks(house.other, "POST", path, json=body, headers=token)
    assert (theirs.status_code, theirs.json()["code"]) == (403, "run.token_invalid")
    unbound = house.asks(house.keys["writer"], "POST", path, json=body)
    assert unbound.json()["code"] == "run.token_invalid"
    assert house.asks(house.keys["writer"], "POST", path, json=body, headers=token).status_code == 200
    reader = house.asks(house.keys["reader"], "POST", path, json=body, headers=token)
    assert reader.json()["code"] == "access.role_missing"


def test_the_token_of_a_run_is_no_key(house: House):
    token = house.claim(house.submit())["X-Run-Token"]
    assert house.asks(token, "GET", f"{API}/runs").json()["code"] == "access.key_invalid"


def test_what_is_wrong_with_our_files_is_told_to_us_alone(house: House):
    house.promoted()
    sha256 = house.get("/versions/spx-alpha@1", after=house.head())["artifact_sha256"]
    path = house.service.artifacts.checked_path(sha256)
    path.chmod(0o600)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    ours = house.asks(house.keys["operator"], "POST", f"{API}/system/verify").json()
    theirs = house.asks(house.other, "POST", f"{API}/system/verify").json()
    path.write_bytes(content)
    assert len(ours["problems"]) == 1
    assert (theirs["problems"], theirs["artifacts"], theirs["data_versions"]) == ([], 0, 0)
    assert theirs["events"] == ours["events"], "the log is one, and checked whole"


# --- commands in an envelope


@pytest.mark.parametrize("kind", OPERATOR_COMMANDS)
def test_deleting_for_good_by_envelope_needs_an_operator_too(house: House, kind: str):
    data = (
        {"dataset": "us-prices", "number": 9} if "dataset" in kind else {"instance": "spx-alpha", "number": 9}
    )
    envelope = {"command_id": new_id(), "type": kind, "data": data, "reason": "a test"}
    writer = house.asks(house.keys["writer"], "POST", f"{API}/commands", json=envelope)
    assert (writer.status_code, writer.json()["code"]) == (403, "access.role_missing")
    operator = house.asks(house.keys["operator"], "POST", f"{API}/commands", json=envelope)
    assert operator.status_code == 404


@pytest.mark.parametrize("kind", ["grant_access", "revoke_access", "record_denial"])
def test_access_cannot_be_changed_by_envelope(house: House, kind: str):
    envelope = {"command_id": new_id(), "type": kind, "data": {}}
    answer = house.asks(house.keys["operator"], "POST", f"{API}/commands", json=envelope)
    assert (answer.status_code, answer.json()["code"]) == (403, "command.not_from_outside")


def new_id() -> str:
    return f"{new_key().key_id[:8]}-7425-40de-944b-e07fc1f90ae7"


# --- what is in no table


def closed_app(house: House) -> Any:
    """The same app with a route, a mount and a socket that nobody thought of."""
    service = house.service
    directory = AccessDirectory(service.log)
    app = create_app(service, service.settings, access=directory, run_token_key=b"x" * 32)

    @app.get("/forgotten")
    def forgotten() -> str:
        raise AssertionError("a route that is in no table was reached")

    async def socket(socket: WebSocket) -> None:
        raise AssertionError("a socket that is in no table was reached")

    app.add_api_websocket_route("/socket", socket)
    app.mount("/mounted", Starlette())
    return app


@pytest.mark.parametrize("path", ["/forgotten", "/mounted/", "/mounted/anything"])
def test_a_route_or_mount_that_stands_in_no_table_is_closed_to_everybody(house: House, path: str):
    app = closed_app(house)
    start, body = called(app, "http", path, None)
    assert (start["status"], b"access.key_missing" in body["body"]) == (401, True)
    start, body = called(app, "http", path, house.keys["operator"])
    assert (start["status"], b"access.route_closed" in body["body"]) == (403, True)


@pytest.mark.parametrize("path", ["/socket", "/nothing", f"{API}/activity/stream"])
@pytest.mark.parametrize("role", [None, *ROLES])
def test_a_socket_is_closed_before_it_opens(house: House, path: str, role: str | None):
    app = closed_app(house)
    key = None if role is None else house.keys[role]
    assert [message["type"] for message in called(app, "websocket", path, key)] == ["websocket.close"]


def called(app: Any, kind: str, path: str, key: str | None) -> list[dict[str, Any]]:
    """What the app answers, called as a server would."""
    headers = [] if key is None else [(b"authorization", f"Bearer {key}".encode())]
    scope: dict[str, Any] = {
        "type": kind,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "scheme": "http",
        "http_version": "1.1",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }
    scope |= {"method": "GET"} if kind == "http" else {"subprotocols": []}
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"} if kind == "http" else {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        messages.append(message)

    anyio.run(app, scope, receive, send)
    return messages


def test_a_connection_of_an_unknown_kind_goes_nowhere(house: House):
    app = create_app(house.service, house.service.settings)

    async def unused(*_: Any) -> Any:
        raise AssertionError("somebody was asked or answered")

    anyio.run(app, {"type": "carrier pigeon", "headers": [], "app": app}, unused, unused)


NOWHERE: list[tuple[str, str, int]] = [
    ("GET", "/nothing", 404),
    ("DELETE", f"{API}/datasets/us-prices", 405),
    ("GET", f"{API}/datasets/", 307),
    ("HEAD", f"{API}/datasets", 405),
    ("OPTIONS", f"{API}/datasets", 405),
]


@pytest.mark.parametrize(("method", "path", "status"), NOWHERE)
def test_what_reaches_no_route_says_so_to_holders_of_keys_only(
    house: House, method: str, path: str, status: int
):
    assert house.asks(None, method, path).status_code == 401
    assert house.asks(house.keys["reader"], method, path).status_code == status


@pytest.mark.parametrize(
    "path",
    [
        f"/{API}/access/keys",
        f"{API}//access/keys",
        f"{API}/access/keys/",
        f"{API}/x/../access/keys",
        f"{API}/access%2Fkeys",
        f"{API}/ACCESS/keys",
        f"{API}/health/../access/keys",
        f"{API}/health/",
        f"{API}/health/x",
    ],
)
def test_no_spelling_of_an_address_goes_round_the_table(house: House, path: str):
    """The bytes go as they are: a client library would tidy them up."""
    for key in (None, house.keys["reader"]):
        connection = http.client.HTTPConnection("127.0.0.1", house.client.base_url.port)
        connection.putrequest("GET", path, skip_host=False)
        if key is not None:
            connection.putheader("Authorization", f"Bearer {key}")
        connection.endheaders()
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        assert answer.status in ((401,) if key is None else (307, 403, 404)), (path, text)
        assert "p_boss" not in text
