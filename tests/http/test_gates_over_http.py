"""Gates over HTTP: the report in the answer, and overrides for operators alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.access.events import AccessDenied
from domain.guardrails.events import GuardrailEvaluated
from tests.http.keyed import House, housed
from tests.http.life import API, ZIP, package
from tests.support.valid import RUN

NEEDS_VOLUME = """
[[contracts]]
kind = "dataset.schema"
config = { role = "us-prices", columns = { volume = "int64" } }
"""
INSTANCE: Any = {
    "name": "spx-alpha",
    "definition": "toy-signal@1.0.0",
    "training_datasets": [{"dataset": "us-prices"}],
}
OFFICIAL = {**INSTANCE, "space": "official"}
OVERRIDDEN = {**OFFICIAL, "override": True, "reason": "volumes come tomorrow"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with housed(tmp_path / "data") as one:
        one.dataset()
        one.prices()
        answer = one.client.post(f"{API}/definitions", content=package(extra=NEEDS_VOLUME), headers=ZIP)
        one.judge("toy-signal", "1.0.0", "passed", after=int(answer.headers["X-Log-Position"]))
        one.post("/definitions/toy-signal/1.0.0/publish")
        yield one


def envelope(data: dict[str, Any], number: int) -> dict[str, Any]:
    command_id = f"00000000-0000-4000-8000-{number:012d}"
    inner = {name: value for name, value in data.items() if name != "reason"}
    return {"command_id": command_id, "type": "create_instance", "data": inner, "reason": data["reason"]}


def test_an_instance_comes_with_the_report_of_its_gate(house: House) -> None:
    report = house.instance()["report"]
    assert (report["gate"], report["enforced_as"]) == ("instance_create", "warned")
    assert report["issues"][0]["code"] == "dataset.schema"
    assert "overridden_by" not in report
    answer = house.client.patch(f"{API}/instances/spx-alpha", json={"description": "another"})
    assert answer.json()["report"]["gate"] == "instance_update"


def test_in_official_the_refusal_has_the_report_and_the_log_keeps_it(house: House) -> None:
    refused = house.post("/instances", OFFICIAL, 422)
    assert refused["code"] == "guardrail.blocked"
    assert refused["report"]["issues"][0]["observed"]["missing_columns"] == 1
    (event,) = house.get("/activity", after=house.head(), resource_type="model_instance")["items"]
    assert event["action"] == "guardrail.evaluated"
    assert house.client.get(f"{API}/instances/spx-alpha").status_code == 404


@pytest.mark.parametrize("path", ["/instances", "/commands"])
def test_a_writer_may_not_override_and_the_wish_is_recorded(house: House, path: str) -> None:
    body = OVERRIDDEN if path == "/instances" else envelope(OVERRIDDEN, 1)
    answer: httpx.Response = house.asks(house.keys["writer"], "POST", API + path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "access.role_missing")
    (denied,) = (one.event for one in house.service.log.read(0, 1000) if isinstance(one.event, AccessDenied))
    assert denied.role_needed == "operator"
    assert denied.operation.startswith("create_instance")


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/instances/spx-alpha/backfill", {"from": "2024-01-02", "to": "2024-01-05"}, "backfill_instance"),
        (f"/runs/{RUN}/retry", {}, "retry_run"),
        ("/instances/spx-alpha/runs", {"kind": "training"}, "submit_run"),
    ],
)
def test_a_writer_may_not_override_the_gate_of_a_run(house: House, path: str, body: Any, named: str) -> None:
    wish = {**body, "override": True, "reason": "volumes come tomorrow"}
    answer = house.asks(house.keys["writer"], "POST", API + path, json=wish)
    assert (answer.status_code, answer.json()["code"]) == (403, "access.role_missing")
    (denied,) = (one.event for one in house.service.log.read(0, 1000) if isinstance(one.event, AccessDenied))
    assert denied.operation.startswith(named)


def test_an_operator_overrides_the_gate_of_a_backfill(house: House) -> None:
    house.post("/instances", OVERRIDDEN, 201)
    wish = {"from": "2024-01-02", "to": "2024-01-05", "refit": "1m"}
    refused = house.post("/instances/spx-alpha/backfill", wish, 422)
    assert refused["code"] == "guardrail.blocked"
    begun = house.post("/instances/spx-alpha/backfill", {**wish, "override": True, "reason": "known"}, 202)
    assert len(begun["run_ids"]) == 1


@pytest.mark.parametrize("path", ["/instances", "/commands"])
def test_an_operator_overrides_with_a_reason_and_answers_for_it(house: House, path: str) -> None:
    command = path == "/commands"
    silent = {**OVERRIDDEN, "reason": None}
    refused = house.post(path, envelope(silent, 2) if command else silent, 422)
    assert refused["code"] == "reason.missing"
    house.post(path, envelope(OVERRIDDEN, 3) if command else OVERRIDDEN, 201)
    (report,) = (
        one.event.report
        for one in house.service.log.read(0, 1000)
        if isinstance(one.event, GuardrailEvaluated) and one.event.report.gate == "instance_create"
    )
    assert (report.enforced_as, report.overridden_by) == ("overridden", "p_boss")
    told = house.get("/activity", after=house.head(), action="guardrail.evaluated")["items"][0]
    assert told["sentence"].startswith("p_boss overrode the gate instance_create of model_instance:spx-alpha")


def test_a_definition_that_promises_more_than_its_category_is_refused_at_the_door(house: House) -> None:
    bold = '[[contracts]]\nkind = "signal.bounds"\nconfig = { high = 2.0 }\n'
    content = package("bold-signal", extra=bold)
    answer = house.client.post(f"{API}/definitions", content=content, headers=ZIP)
    assert (answer.status_code, answer.json()["code"]) == (422, "definition.output_contract_missing")
