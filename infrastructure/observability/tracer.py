"""The part of tracing that needs OpenTelemetry: span ids that can be foretold, one decision a workflow."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from typing import Any
from uuid import UUID

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class WorkflowSampler(Sampler):
    """Keeps the same share of workflows in every role: the trace id decides.

    It is hashed: the last bits of an UUID are not all random, as the library's own sampler expects.
    """

    def __init__(self, share: float) -> None:
        self._bound = round(min(1.0, max(0.0, share)) * 2**64)

    def should_sample(
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        links: Any = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        """By the trace's id alone."""
        del parent_context, name, kind, links, trace_state
        drawn = int.from_bytes(sha256(trace_id.to_bytes(16)).digest()[:8])
        kept = drawn < self._bound
        return SamplingResult(Decision.RECORD_AND_SAMPLE if kept else Decision.DROP, attributes)

    def get_description(self) -> str:
        """What it is."""
        return "WorkflowSampler"


class _Ids(RandomIdGenerator):
    """Random ids, and the foretold one where a thread asked for it."""

    def __init__(self) -> None:
        self.next = threading.local()

    def generate_span_id(self) -> int:
        """The id that was asked for, else a random one."""
        asked, self.next.id = getattr(self.next, "id", None), None
        return asked or super().generate_span_id()


class Tracer:
    """Makes spans and hands them to one exporter."""

    def __init__(self, role: str, exporter: SpanExporter | None) -> None:
        self._ids = _Ids()
        share = float(os.environ.get("OTEL_TRACES_SAMPLER_ARG") or 1)
        resource = Resource.create({"service.name": f"optaic-mlops-{role}", "optaic.role": role})
        self._provider = TracerProvider(
            sampler=WorkflowSampler(share), resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(SimpleSpanProcessor(exporter) if exporter else _batches())
        self._tracer = self._provider.get_tracer("optaic-mlops")

    def end(self) -> None:
        """Send what waits."""
        self._provider.shutdown()

    @contextmanager
    def workflow(self, correlation_id: UUID) -> Iterator[None]:
        """Below the workflow's root, which nobody records, or where we are if that is in its trace."""
        trace_id = correlation_id.int
        if trace.get_current_span().get_span_context().trace_id == trace_id:
            yield
            return
        token = contexts.attach(_below(trace_id, _root(trace_id)))
        try:
            yield
        finally:
            contexts.detach(token)

    def span(
        self,
        name: str,
        kind: str,
        sent: str | None,
        span_id: int | None,
        attributes: Mapping[str, Any],
    ) -> AbstractContextManager[trace.Span]:
        """A span that is the present one within its block."""
        known = {**attributes, "traceparent": sent} if sent else dict(attributes)
        links = [Link(_context(sent))] if sent else []
        self._ids.next.id = span_id
        return trace.use_span(
            self._tracer.start_span(name, kind=SpanKind[kind.upper()], attributes=known, links=links),
            end_on_exit=True,
        )

    def after(
        self,
        name: str,
        kind: str,
        correlation_id: UUID,
        parent: int,
        own: int | None,
        position: int,
        began_ns: int,
    ) -> None:
        """A span of work on an event that is done; it ends now."""
        self._ids.next.id = own
        self._tracer.start_span(
            name,
            context=_below(correlation_id.int, parent),
            kind=SpanKind[kind.upper()],
            attributes={"optaic.position": position},
            start_time=began_ns,
        ).end()

    def present(self) -> str | None:
        """The present span as a traceparent."""
        here = trace.get_current_span().get_span_context()
        if not here.is_valid:
            return None
        return f"00-{here.trace_id:032x}-{here.span_id:016x}-{int(here.trace_flags):02x}"


def _batches() -> BatchSpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return BatchSpanProcessor(OTLPSpanExporter())


def _below(trace_id: int, span_id: int) -> contexts.Context:
    parent = SpanContext(trace_id, span_id, is_remote=True, trace_flags=_SAMPLED)
    return trace.set_span_in_context(NonRecordingSpan(parent), contexts.Context())


def _root(trace_id: int) -> int:
    return int.from_bytes(sha256(b"workflow:" + trace_id.to_bytes(16)).digest()[:8]) or 1


def _context(traceparent: str) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.strip().split("-")[:4]
    return SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16)))
