"""One workflow is one trace, from HTTP or Kafka to the views, although the log keeps no trace ids."""

from uuid import UUID, uuid4

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from application.bus import Sender
from domain.run.commands import CancelRun
from domain.shared.activity import Actor
from domain.shared.errors import CommandUnknown
from infrastructure.http.app import create_app
from infrastructure.kafka.messages import to_message
from infrastructure.kafka.partitions import PartitionPage
from infrastructure.observability import tracing
from infrastructure.observability.metrics import REFUSALS
from infrastructure.observability.seams import ObservedBus, TracedProducer, TracedViews
from infrastructure.observability.tracer import WorkflowSampler
from tests.http.life import declaration, living, served
from tests.support.valid import RUN

SENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class KeepingProducer:
    """Acknowledges everything."""

    def send(self, message, position, at_ms):
        pass

    def settle(self):
        return {}


class KeepingViews:
    """Folds nothing and fails nowhere."""

    def assigned(self, partition):
        raise NotImplementedError

    def apply(self, pages):
        return {}

    def revoked(self, partition):
        pass


@pytest.fixture
def life(tmp_path):
    with living(tmp_path / "data") as one:
        yield one


@pytest.fixture
def exported():
    exporter = InMemorySpanExporter()
    assert tracing.configure_tracing("test", exporter)
    yield exporter
    tracing.end_tracing()


def relayed_and_folded(log):
    """What relay and consumers would do with the whole log."""
    rows = log.rows(0, 1000)
    producer = TracedProducer(KeepingProducer())
    for row in rows:
        producer.send(to_message(row, 0, "epoch"), row[0], row[17] // 1000)
    producer.settle()
    TracedViews(KeepingViews()).apply([PartitionPage(0, log.read(0, 1000), len(rows))])
    return rows


def test_a_command_over_http_is_one_trace_up_to_the_views(life, exported):
    workflow = uuid4()
    with served(create_app(life.service, life.service.settings)) as client:
        wanted = {"name": "us-prices", "declaration": declaration([{"name": "close", "type": "float64"}])}
        headers = {"X-Correlation-Id": str(workflow), "traceparent": SENT}
        answer = client.post("/api/v1/datasets", json=wanted, headers=headers)
        assert answer.status_code == 201, answer.text
    rows = relayed_and_folded(life.service.log)
    spans = [one for one in exported.get_finished_spans() if one.context.trace_id == workflow.int]
    named = {one.name: one for one in spans}
    assert set(named) == {"POST /api/v1/datasets", "command", "publish", "project"}
    assert len(spans) == 2 + 2 * len(rows)
    http, command, publish, project = (
        named[name] for name in ("POST /api/v1/datasets", "command", "publish", "project")
    )
    assert command.parent.span_id == http.context.span_id
    assert publish.parent.span_id == command.context.span_id
    assert project.parent.span_id == publish.context.span_id
    assert http.attributes["traceparent"] == SENT
    assert [f"{one.context.trace_id:032x}" for one in http.links] == ["0af7651916cd43dd8448eb211c80319c"]
    assert http.attributes["http.response.status_code"] == 201


def test_a_message_that_brings_a_traceparent_is_linked_in_its_workflow(exported):
    workflow, command_id = uuid4(), uuid4()
    headers = [("ce_id", b"x"), ("ce_traceparent", SENT.encode()), ("ce_reason", None)]
    with tracing.command("dataset.create", workflow, command_id, headers):
        carried: dict[str, str] = {}
        tracing.inject(carried)
    event = uuid4()
    tracing.published([(str(workflow), str(command_id), str(event), 1)], 1)
    tracing.projected([(workflow, event, 1)], 1)
    command, publish, project = exported.get_finished_spans()
    assert {one.context.trace_id for one in (command, publish, project)} == {workflow.int}
    assert publish.parent.span_id == command.context.span_id
    assert project.parent.span_id == publish.context.span_id
    assert [one.context.span_id for one in command.links] == [0xB7AD6B7169203331]
    assert carried["traceparent"] == f"00-{workflow.hex}-{command.context.span_id:016x}-01"
    assert tracing.traceparent_of(workflow, event) == f"00-{workflow.hex}-{publish.context.span_id:016x}-01"


def test_a_refusal_is_counted_and_named_in_its_span(life, exported):
    bus = ObservedBus(life.service.bus._services, {})
    sender = Sender(tenant="local", actor=Actor(principal="p_local"))
    before = REFUSALS.labels(CommandUnknown.code)._value.get()
    with pytest.raises(CommandUnknown):
        bus.send(CancelRun(run_id=RUN), sender, dry_run=True)
    (span,) = exported.get_finished_spans()
    assert span.attributes["optaic.refused"] == CommandUnknown.code
    assert REFUSALS.labels(CommandUnknown.code)._value.get() == before + 1


def test_nothing_is_traced_unless_somebody_said_where_to(monkeypatch):
    for name in tracing.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert not tracing.configure_tracing("serve")
    carried: dict[str, str] = {}
    with tracing.workflow(uuid4()), tracing.span("x") as span, tracing.command("x", uuid4(), uuid4()):
        span.set_attribute("a", 1)
        tracing.inject(carried)
    tracing.published([("no", "no", "no", 1)], 0)
    assert carried == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00-0-0-01",
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        SENT + "-more",
        "\udcff" * 55,
    ],
)
def test_a_malformed_traceparent_is_none(text):
    assert tracing.extract([("traceparent", text)]) is None


def test_a_later_version_of_the_header_is_read_as_far_as_it_is_known():
    later = "01" + SENT[2:] + "-more"
    assert tracing.extract([(b"Traceparent", later.encode())]) == later


def test_every_role_keeps_the_same_share_of_workflows():
    sampler, other = WorkflowSampler(0.25), WorkflowSampler(0.25)
    ids = [UUID(int=(7 << 76) | (2 << 62) | number) for number in range(4000)]
    kept = [sampler.should_sample(None, one.int, "x").decision for one in ids]
    assert kept == [other.should_sample(None, one.int, "y").decision for one in ids]
    assert 0.2 < sum(one.is_sampled() for one in kept) / len(kept) < 0.3
