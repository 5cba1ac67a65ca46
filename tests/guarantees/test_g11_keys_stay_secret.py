"""G11 for API keys: no key is seen again after its grant, and its hash is seen nowhere but in the log."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infrastructure.access.keys import digest, key_id_of, new_key
from tests.guarantees.access_matrix import MATRIX, WRITES
from tests.http.keyed import SECRET, House, housed
from tests.http.life import API

DATABASES = ("log.sqlite", "views.sqlite")
"""Where a hash may stand: the log, and the view that keeps its events as they are."""

CLIENTS = ("httpx", "httpcore")
"""The test's own client, in the same process, tells the addresses that it asks."""


@dataclass(frozen=True)
class Told:
    """What a service with keys answered, logged and wrote, and which secrets there were."""

    answers: dict[str, bytes]
    logged: str
    data: Path
    keys: tuple[str, ...]

    def secrets_of(self, key: str) -> tuple[bytes, ...]:
        """A key, and the part of it that opens."""
        return key.encode(), key.rpartition(key_id_of(key) or "?")[2][1:].encode()


class Lines(logging.Handler):
    """Everything that the service logs, at any level, with its arguments filled in."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(CLIENTS):
            self.texts.append(logging.Formatter().format(record))


@pytest.fixture(scope="module")
def lines() -> Iterator[Lines]:
    handler, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, lines: Lines) -> Told:
    data = tmp_path_factory.mktemp("told") / "data"
    with housed(data) as house:
        house.ready_instance()
        house.promoted()
        dead = {"revoked": house.revoked(), "wrong": new_key().text}
        keys = {**house.keys, "other": house.other, **dead}
        granted = house.post("/access/keys", {"principal": "p_ada", "role": "reader"}, 201)["key"]
        names = {"run": house.get("/versions/spx-alpha@1", after=house.head())["run_id"], "event": "1"}
        names |= {"pending": names["run"], "key": key_id_of(house.keys["writer"]) or ""}
        answers = {
            f"{operation} by {who}": asked(house, operation, names, key)
            for operation in MATRIX
            for who, key in keys.items()
            if not operation.endswith("/stream")
        }
        answers["the activity"] = house.client.get(f"{API}/activity", params={"limit": 500}).content
        answers |= misused(house)
    return Told(answers, "\n".join(lines.texts), data, (*keys.values(), granted))


def asked(house: House, operation: str, names: dict[str, str], key: str) -> bytes:
    """Answer and headers; grants are left out: they show a key, once."""
    row, method = MATRIX[operation], operation.partition(" ")[0]
    if operation == f"POST {API}/access/keys":
        row = WRITES[f"POST {API}/datasets"]
    path = row.path
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", value)
    more = {"content": row.content} if row.content is not None else {"json": row.body or {}}
    answer = house.asks(key, method, path, headers=dict(row.headers), **(more if method != "GET" else {}))
    return answer.content + str(answer.headers).encode()


def misused(house: House) -> dict[str, bytes]:
    """Good keys in places where none belongs."""
    key = house.keys["operator"]
    places = {
        "query": {"params": {"key": key}},
        "cookie": {"headers": {"Cookie": f"key={key}"}},
        "run token": {"headers": {"X-Run-Token": key}},
        "other header": {"headers": {"Last-Event-ID": key, "If-Match": key, "X-Correlation-Id": key}},
    }
    return {
        place: house.asks(key, "GET", f"{API}/datasets", **more).content for place, more in places.items()
    } | {
        "basic": house.asks(None, "GET", f"{API}/datasets", headers={"Authorization": f"Basic {key}"}).content
    }


def test_no_key_and_no_hash_is_in_any_answer_or_log_line(told: Told):
    assert len(told.answers) > 400
    assert told.logged, "nothing was heard: this proves nothing"
    for key in told.keys:
        for secret in (*told.secrets_of(key), digest(key).encode()):
            assert [name for name, text in told.answers.items() if secret in text] == []
            assert secret.decode() not in told.logged


def test_no_key_is_in_any_file_and_a_hash_in_the_log_and_its_view_only(told: Told):
    files = {path: path.read_bytes() for path in told.data.rglob("*") if path.is_file()}
    assert {"log.sqlite", "views.sqlite"} <= {path.name for path in files}
    for key in told.keys:
        for secret in told.secrets_of(key):
            assert [path.name for path, content in files.items() if secret in content] == []
        held = {path.name for path, content in files.items() if digest(key).encode() in content}
        assert all(name.startswith(DATABASES) for name in held)


def test_the_secret_of_run_tokens_is_nowhere(told: Told):
    for secret in (SECRET, SECRET.hex().encode()):
        assert [name for name, text in told.answers.items() if secret in text] == []
        assert secret.decode() not in told.logged
        assert not [path for path in told.data.rglob("*") if path.is_file() and secret in path.read_bytes()]
