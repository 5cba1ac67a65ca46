"""What the SDK and the command line send for an operator who lets a run pass its gate."""

from datetime import date
from typing import Any

import pytest
from typer.testing import CliRunner

from infrastructure.cli import api as cli_api
from infrastructure.cli.main import app
from optaic.mlops import pipeline
from optaic.mlops.api import Api, Call

REASON = "volumes come tomorrow"
ANSWER: Any = {
    "run_id": "r",
    "refs": ["training_run:r"],
    "run": None,
    "run_ids": ["r"],
    "correlation_id": "c",
    "workflow": None,
    "position": 1,
    "state": "pending",
}
FIRST, LAST = date(2024, 1, 2), date(2024, 1, 5)


class Recording(Api[Any, bytes]):
    """Keeps the calls and answers each with a run that is pending."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def _json(self, call: Call) -> Any:
        self.calls.append(call)
        return ANSWER


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Recording:
    recording = Recording()
    monkeypatch.setattr(pipeline, "shared_client", lambda: recording)
    return recording


def test_the_sdk_sends_the_override_with_its_reason_and_nothing_of_it_unasked(client: Recording) -> None:
    client.submit_run("spx-alpha", "training", override=True, reason=REASON)
    client.retry_run("r", override=True, reason=REASON)
    client.backfill("spx-alpha", "2024-01-02", "2024-01-05", override=True, reason=REASON)
    pipeline.backfill("spx-alpha", FIRST, LAST, wait=False, override=True, reason=REASON)
    pipeline.run_now("spx-alpha", wait=False, override=True, reason=REASON)
    bodies = [call.json for call in client.calls if call.method == "POST"]
    assert [(body or {}).get("override") for body in bodies] == [True] * 5
    assert [(body or {}).get("reason") for body in bodies] == [REASON] * 5
    client.calls.clear()
    client.retry_run("r")
    pipeline.backfill("spx-alpha", FIRST, LAST, wait=False)
    assert not any({"override", "reason"} & set(call.json or {}) for call in client.calls)


@pytest.mark.parametrize(
    "line",
    [
        ("train", "spx-alpha"),
        ("infer", "spx-alpha"),
        ("backfill", "spx-alpha", "--from", "2024-01-02", "--to", "2024-01-05"),
        ("run", "retry", "r"),
    ],
)
def test_so_does_the_command_line(monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...]) -> None:
    sent: list[Any] = []

    class Answer:
        def json(self) -> Any:
            return ANSWER

    def post(_api: Any, _path: str, body: Any, _query: Any = None) -> Answer:
        sent.append(body)
        return Answer()

    monkeypatch.setattr(cli_api.Api, "post", post)
    address = ("--url", "http://127.0.0.1:1")
    for extra in ((), ("--override", "--reason", REASON)):
        assert CliRunner().invoke(app, [*line, *address, *extra]).exit_code == 0
    plain, overriding = sent
    assert not {"override", "reason"} & set(plain)
    assert (overriding["override"], overriding["reason"]) == (True, REASON)
