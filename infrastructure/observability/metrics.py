"""Every metric of the service, by its name on `/metrics`; labels have few values, never ids or tenants."""

import platform
from collections.abc import Iterator
from importlib.metadata import version

from prometheus_client import (
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

disable_created_metrics()
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

PREFIX = "optaic_mlops"
_APPEND_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

EVENTS_APPENDED = Counter(f"{PREFIX}_events_appended", "Events recorded by this process.")
APPEND_SECONDS = Histogram(
    f"{PREFIX}_append_seconds", "From submitting a command's events to their commit.", buckets=_APPEND_BUCKETS
)
APPEND_QUEUE = Gauge(f"{PREFIX}_append_queue", "Commands that wait for the log's writer in this process.")
CONFLICTS = Counter(f"{PREFIX}_append_conflicts", "Appends that another writer was faster than.")
REFUSALS = Counter(f"{PREFIX}_refusals", "Commands refused, by the rule's code.", ["code"])
LOG_HEAD = Gauge(f"{PREFIX}_log_head", "The log's last position as this process knows it.")

RELAY_POSITION = Gauge(f"{PREFIX}_relay_position", "Everything up to here is on Kafka.")
RELAY_LAG_EVENTS = Gauge(f"{PREFIX}_relay_lag_events", "Events recorded and not yet on Kafka.")
RELAY_LAG_SECONDS = Gauge(f"{PREFIX}_relay_lag_seconds", "Age of the oldest event that is not yet on Kafka.")
RELAY_ACTIVE = Gauge(f"{PREFIX}_relay_active", "1 for the relay that publishes, 0 for a standby.")

PROJECTION_POSITION = Gauge(
    f"{PREFIX}_projection_position", "Where a view stands.", ["projection", "partition"]
)
PROJECTION_LAG_EVENTS = Gauge(
    f"{PREFIX}_projection_lag_events",
    "Messages of a partition that a view has not folded.",
    ["projection", "partition"],
)
PROJECTION_LAG_SECONDS = Gauge(
    f"{PREFIX}_projection_lag_seconds",
    "Age of the newest event when it was folded.",
    ["projection", "partition"],
)
PROJECTION_STOPPED = Gauge(
    f"{PREFIX}_projection_stopped", "1: it met an event that it cannot fold.", ["projection"]
)
HOLES = Counter(f"{PREFIX}_consumer_holes", "Gaps in a tenant's chain, filled from the log.")

COMMANDS = Counter(f"{PREFIX}_commands", "Commands taken from Kafka, by what became of them.", ["outcome"])
DEAD_LETTERS = Counter(f"{PREFIX}_dead_letters", "Messages put aside, by reason.", ["reason"])

HTTP_REQUESTS = Counter(
    f"{PREFIX}_http_requests",
    "Requests answered, by the route's template, method and class of status.",
    ["route", "method", "status"],
)
HTTP_SECONDS = Histogram(
    f"{PREFIX}_http_request_seconds",
    "From a request to the end of its answer; streams are left out.",
    ["route", "method"],
    buckets=_APPEND_BUCKETS,
)
SSE_CLIENTS = Gauge(f"{PREFIX}_sse_clients", "Clients that follow a stream of activity at this moment.")
SERVICE = Info(f"{PREFIX}_service", "Which code runs, in which role.")


class LogTotal(Collector):
    """`optaic_mlops_events_total`: events in the log, which all processes write; absent until it is known."""

    NAME = f"{PREFIX}_events"

    def __init__(self) -> None:
        self._events: int | None = None

    def set(self, events: int) -> None:
        """The log holds so many."""
        self._events = events

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The figure, once it is known."""
        if self._events is not None:
            yield CounterMetricFamily(self.NAME, "Events in the log.", value=self._events)

    def describe(self) -> Iterator[CounterMetricFamily]:
        """The name, for who registers it."""
        yield CounterMetricFamily(self.NAME, "Events in the log.")


EVENTS = LogTotal()
REGISTRY.register(EVENTS)


def describe(role: str) -> None:
    """Say which code this process runs, in which role."""
    service = version("optaic-mlops-service")
    SERVICE.info({"version": service, "python": platform.python_version(), "role": role})


def exposition() -> bytes:
    """Everything in the Prometheus text format, the process's own figures included."""
    return generate_latest(REGISTRY)
