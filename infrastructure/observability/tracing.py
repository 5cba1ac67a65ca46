"""OpenTelemetry traces from a command to the views (extra `otel`); nothing happens until `configure_tracing`.

The log keeps no trace ids: a trace is a workflow, so its id *is* the correlation id. Span ids follow from
what the log does keep: a command's from its command id, a published event's from its event id. So every role
finds the right parent without being told:

    workflow (correlation id) → HTTP request → command → publish (one an event) → project

A `traceparent` that somebody sends along is kept as a link and an attribute.
"""

import os
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from infrastructure.observability.tracer import Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
NAMES = ("traceparent", "ce_traceparent")
"""The W3C header, and CloudEvents' distributed tracing extension over Kafka."""
Carrier = Iterable[tuple[str | bytes, str | bytes | None]]


class _Nothing:
    """The span of a process that traces nothing."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Nobody listens."""

    def update_name(self, name: str) -> None:
        """Nobody listens."""


_NOTHING: AbstractContextManager[Any] = nullcontext(_Nothing())
_tracer: "Tracer | None" = None


def configure_tracing(role: str, exporter: "SpanExporter | None" = None) -> bool:
    """Trace to an OTLP endpoint that the environment names, or to `exporter`; False: nothing to trace to."""
    global _tracer  # noqa: PLW0603 - one tracer a process, as the library has it
    if exporter is None and not any(os.environ.get(name) for name in ENDPOINTS):
        return False
    try:
        from infrastructure.observability.tracer import Tracer
    except ImportError:
        return False
    end_tracing()
    _tracer = Tracer(role, exporter)
    return True


def end_tracing() -> None:
    """Send what waits, then trace nothing."""
    global _tracer
    ending, _tracer = _tracer, None
    if ending is not None:
        ending.end()


def is_on() -> bool:
    """Whether anything is traced: asked before work that only traces need."""
    return _tracer is not None


def workflow(correlation_id: UUID) -> AbstractContextManager[Any]:
    """Spans within belong to the trace of a workflow, unless they are in it already."""
    return _NOTHING if _tracer is None else _tracer.workflow(correlation_id)


def span(
    name: str,
    *,
    kind: str = "internal",
    carrier: Carrier = (),
    span_id: int | None = None,
    **attributes: str | float | bool,
) -> AbstractContextManager[Any]:
    """A span around a block, child of the one around it; what `carrier` brings along is linked."""
    if _tracer is None:
        return _NOTHING
    return _tracer.span(name, kind, extract(carrier), span_id, attributes)


def inject(headers: MutableMapping[str, str]) -> None:
    """Add the present span as `traceparent`."""
    if _tracer is not None and (text := _tracer.present()):
        headers["traceparent"] = text


def extract(carrier: Carrier) -> str | None:
    """The well-formed `traceparent` among headers of HTTP or Kafka, or None."""
    for name, value in carrier:
        plain = name.decode("latin-1") if isinstance(name, bytes) else name
        if value is not None and plain.lower() in NAMES:
            text = value.decode("latin-1") if isinstance(value, bytes) else value
            if is_traceparent(text):
                return text
    return None


def is_traceparent(text: str) -> bool:
    """Whether a text is a W3C trace context that names a span."""
    parts = text.strip().split("-")
    if [len(part) for part in parts[:4]] != [2, 32, 16, 2] or (parts[0] == "00" and len(parts) > 4):  # noqa: PLR2004 - the form
        return False
    hexadecimal = set("0123456789abcdef")
    return (
        all(set(part) <= hexadecimal for part in parts[:4])
        and parts[0] != "ff"
        and bool(int(parts[1], 16) and int(parts[2], 16))
    )


def derived_span(kind: str, identity: UUID | str) -> int:
    """The span id of a command or of an event: 64 bits of a SHA-256, the same in every process."""
    return int.from_bytes(sha256(f"{kind}:{identity}".encode()).digest()[:8]) or 1


def traceparent_of(correlation_id: UUID | str, event_id: UUID | str) -> str:
    """The `traceparent` of an event's publication, for a message's header."""
    return f"00-{UUID(str(correlation_id)).int:032x}-{derived_span('event', event_id):016x}-01"


@contextmanager
def command(type_: str, correlation_id: UUID, command_id: UUID, carrier: Carrier = ()) -> Iterator[Any]:
    """The span of a command on the bus: its events' publication names it as the parent."""
    own = derived_span("command", command_id)
    with (
        workflow(correlation_id),
        span("command", carrier=carrier, span_id=own, **{"optaic.command": type_}) as current,
    ):
        yield current


def published(rows: Iterable[tuple[str, str, str, int]], began_ns: int) -> None:
    """Events were acknowledged by Kafka: correlation id, command id, event id and position of each."""
    if _tracer is not None:
        for correlation_id, command_id, event_id, position in rows:
            parent = derived_span("command", command_id)
            own = derived_span("event", event_id)
            _tracer.after("publish", "producer", UUID(correlation_id), parent, own, position, began_ns)


def projected(rows: Iterable[tuple[UUID, UUID, int]], began_ns: int) -> None:
    """Events were folded into the views: correlation id, event id and position of each."""
    if _tracer is not None:
        for correlation_id, event_id, position in rows:
            parent = derived_span("event", event_id)
            _tracer.after("project", "consumer", correlation_id, parent, None, position, began_ns)
