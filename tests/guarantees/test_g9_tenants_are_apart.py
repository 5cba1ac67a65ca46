"""G9: no tenant reads or writes another's. The matrix is made from the router: every route, every credential.

The rows stand in access_matrix.py; a route without a row fails.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, WebSocketRoute

from domain.access.roles import includes
from infrastructure.access.keys import new_key
from infrastructure.http.app import create_app
from infrastructure.http.route_roles import ROUTE_NEEDS, operation_name
from tests.guarantees.access_matrix import MATRIX, READS, WRITES
from tests.http.keyed import OTHER, TENANT, House, housed
from tests.http.life import API

ROLES = ("reader", "writer", "operator")
OURS = ("spx-alpha", "toy-signal", "us-prices", "p_boss", "p_writer", "p_reader")
"""What no answer to another tenant may hold, unless the request held it."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with housed(tmp_path_factory.mktemp("house") / "data") as one:
        one.ready_instance()
        one.promoted()
        one.inferred()
        one.alerted()
        yield one


@pytest.fixture(scope="module")
def named(house: House) -> dict[str, str]:
    """What the paths name."""
    run_id = house.get("/versions/spx-alpha@1", after=house.head())["run_id"]
    (submitted,) = house.get("/activity", resource_id=run_id, action="training_run.submitted")["items"]
    return {
        "run": run_id,
        "workflow": submitted["correlation_id"],
        "pending": house.submit(),
        "alert": house.get("/alerts")["items"][0]["id"],
        "event": str(house.head()),
        "key": house.get("/access/keys")["items"][0]["key_id"],
    }


@pytest.fixture(scope="module")
def dead(house: House) -> dict[str, str | None]:
    """Credentials that open nothing."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    expired = house.given("operator", expires_at=soon)
    house.clock.ahead = timedelta(hours=2)
    good = house.keys["operator"]
    return {
        "no key": None,
        "malformed": "optaic_but_not_a_key",
        "cut short": good[:-1],
        "changed": good[:-1] + ("A" if good[-1] != "A" else "B"),
        "another scheme": "",
        "unknown": new_key().text,
        "expired": expired,
        "revoked": house.revoked(),
    }


DEAD = ("no key", "malformed", "cut short", "changed", "another scheme", "unknown", "expired", "revoked")


def sent(house: House, key: str | None, operation: str, named: dict[str, str], **more: Any) -> httpx.Response:
    """Ask as the row says; of a stream only what it begins with."""
    asked = MATRIX[operation]
    method, path = operation.split(maxsplit=1)[0], asked.path
    for name, value in named.items():
        path = path.replace(f"{{{name}}}", value)
    headers = {**dict(asked.headers), **more.pop("headers", {})}
    if asked.content is not None:
        more.setdefault("content", asked.content)
    elif asked.body is not None:
        more.setdefault("json", asked.body)
    if operation.endswith("/stream"):
        return begun(house, key, path, headers)
    return house.asks(key, method, path, headers=headers, **more)


def begun(house: House, key: str | None, path: str, headers: dict[str, str]) -> httpx.Response:
    """The beginning of a stream, without waiting for more."""
    given = {**headers, **({} if key is None else {"Authorization": f"Bearer {key}"})}
    with (
        httpx.Client(base_url=house.client.base_url, timeout=60, verify=False) as client,
        client.stream("GET", path, headers=given) as answer,
    ):
        if answer.is_success:
            assert next(answer.iter_lines()).startswith(":")
            return httpx.Response(answer.status_code)
        answer.read()
        return answer


def routes_of(app: Any) -> list[str]:
    """Every route, mount and socket of an app."""
    found: list[str] = []
    for route in app.router.routes:
        assert isinstance(route, BaseRoute)
        methods = sorted(getattr(route, "methods", None) or [""])
        found += [operation_name(route, method) for method in methods]
    return found


def test_every_route_mount_and_socket_has_a_row_and_a_need(house: House):
    app = create_app(house.service, house.service.settings)
    assert all(isinstance(route, APIRoute | Mount | WebSocketRoute) for route in app.router.routes)
    operations = routes_of(app)
    assert len(set(operations)) == len(operations)
    assert set(operations) == set(MATRIX) == set(ROUTE_NEEDS)


@pytest.mark.parametrize("operation", MATRIX)
@pytest.mark.parametrize("credential", DEAD)
def test_nobody_comes_in_without_a_key_that_holds(
    house: House,
    named: dict[str, str],
    dead: dict[str, str | None],
    operation: str,
    credential: str,
):
    head = house.head()
    headers = {"Authorization": "Basic b3B0YWlj"} if credential == "another scheme" else {}
    key = None if credential == "another scheme" else dead[credential]
    answer = sent(house, key, operation, named, headers=headers)
    if ROUTE_NEEDS[operation] == "public":
        assert answer.status_code == 200
        assert not any(name in answer.text for name in (*OURS, TENANT, OTHER))
        return
    assert answer.status_code == 401, answer.text
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Content-Type"] == "application/problem+json"
    codes = {"expired": "access.key_expired", "revoked": "access.key_revoked"}
    missing = credential in ("no key", "another scheme")
    expected = codes.get(credential, "access.key_missing" if missing else "access.key_invalid")
    assert answer.json()["code"] == expected
    assert house.head() == head, "a stranger left an event"


@pytest.mark.parametrize("operation", MATRIX)
@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_what_the_table_says_and_no_more(
    house: House, named: dict[str, str], operation: str, role: Any
):
    """Writes are asked with a body that nothing takes: whether they are let in is all that is asked here."""
    wrong: dict[str, Any] = {}
    if operation in WRITES and not operation.endswith(("system/rebuild", "system/verify")):
        wrong = {"content": b"{", "headers": {"Content-Type": "application/json"}}
    answer = sent(house, house.keys[role], operation, named, **wrong)
    need = ROUTE_NEEDS[operation]
    if need != "public" and not includes(role, need):
        assert (answer.status_code, answer.json()["code"]) == (403, "access.role_missing")
        assert answer.json()["facts"] == {"role": role, "role_needed": need}
        assert need in answer.json()["detail"]
    elif operation in READS and not operation.endswith(("/logs", "/measured", "/evidently")):
        assert answer.status_code == 200, answer.text
    else:
        assert answer.status_code < 500
        allowed = answer.status_code not in (401, 403) or answer.json()["code"] == "run.token_invalid"
        assert allowed, answer.text


@pytest.mark.parametrize("operation", MATRIX)
def test_another_tenants_operator_finds_and_changes_nothing_of_ours(
    house: House, named: dict[str, str], operation: str
):
    before = own_events(house)
    answer = sent(house, house.other, operation, named)
    assert answer.status_code == MATRIX[operation].other, answer.text
    if answer.status_code == 403:
        assert answer.json()["code"] == "run.token_invalid"
    asked = MATRIX[operation].path + json.dumps(MATRIX[operation].body)
    told = "" if operation in _EXPLAINING else answer.text
    assert [name for name in OURS if name in told and name not in asked] == []
    if answer.status_code == 200 and "items" in (page := json_of(answer)) and operation in _LISTS:
        assert all(TENANT not in json.dumps(item) for item in page["items"])
    assert own_events(house) == before


_EXPLAINING = ("GET /", "GET /api/docs", f"GET {API}/openapi.json")
"""Pages about the API, whose examples happen to use our names; they are the same for everybody."""
_LISTS = [operation for operation in READS if MATRIX[operation].other == 200]


@pytest.mark.parametrize("path", ["/definitions", "/instances", "/runs", "/versions", "/datasets"])
def test_lists_of_another_tenant_are_its_own(house: House, path: str):
    items = house.asks(house.other, "GET", API + path, params={"after": house.head()}).json()["items"]
    assert [one for one in items if one.get("name") not in ("theirs", "their-signal")] == []
    assert all(one.get("submitter", "p_stranger") == "p_stranger" for one in items)


def test_comparing_or_finding_by_id_shows_nothing_of_another_tenant(house: House, named: dict[str, str]):
    compared = house.asks(house.other, "GET", f"{API}/runs/compare", params={"ids": named["run"]})
    found = house.asks(house.other, "GET", f"{API}/search", params={"q": named["run"]})
    assert named["run"] not in found.text
    assert not [run for run in compared.json().get("runs", ()) if run]


def own_events(house: House) -> int:
    """How many events of our tenant there are."""
    return sum(one.tenant == TENANT for one in house.service.log.read(0, 100_000))


def json_of(answer: httpx.Response) -> dict[str, Any]:
    is_json = answer.headers.get("Content-Type", "").startswith("application/json")
    return answer.json() if is_json else {}
