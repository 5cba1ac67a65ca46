"""The command bus: envelope, idempotency, bounded retry on conflict, dispatch."""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from application.bounds import check_bounds, encoded
from application.context import Context, Services
from application.ports import Outcome
from domain.guardrails.errors import GuardrailBlocked, GuardrailOverrideDenied
from domain.guardrails.events import GateReport, GuardrailEvaluated
from domain.shared.activity import Actor, Envelope, StreamKey
from domain.shared.command import Command
from domain.shared.errors import (
    CommandIdReused,
    CommandMalformed,
    CommandUnknown,
    Kind,
    ReasonMissing,
    ReferenceMalformed,
    RuleBroken,
    StreamConflict,
)
from domain.shared.references import NodeRef

Handler = Callable[[Any, Context], Outcome]
"""One command's use case; the table in `application.handlers` pairs each with its command class."""

_ATTEMPTS = 16
_REASON_LENGTH_MAX = 2000
_encode = msgspec.json.Encoder(order="deterministic").encode
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""NUL in JSON, not the six characters of its escape."""


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """Who sends a command, and what travels with it."""

    tenant: str
    actor: Actor
    command_id: UUID | None = None
    """Default: a fresh one; a client that may repeat names its own."""
    looks_first: bool = True
    """Look for an earlier outcome before deciding. The append finds it in any case: without looking, a
    repetition is decided in vain, and what is new (or has an id made just now) saves the question.
    """
    is_decoded: bool = False
    """The command was decoded from outside, which checked its bounds; one made in this process is checked."""
    reason: str | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    may_override: bool = False
    """Whether the sender may let something pass a gate that blocks."""
    expected_versions: dict[str, int] = {}
    """`type:id` of a resource → stream version that must be current."""


class Bus:
    """Takes commands from every way in. One command id has one effect and one outcome."""

    def __init__(self, services: Services, handlers: Mapping[type[Command], Handler]) -> None:
        self._services = services
        self._handlers = handlers

    def send(self, command: Command, sender: Sender, *, dry_run: bool = False) -> Outcome:
        """Decide and record a command, or return what became of it before.

        Raises the RuleBroken that refused it (again, if it was refused before); LogBusy and StreamConflict
        are not outcomes: the same command may be sent again.
        """
        envelope = self._envelope(command, sender)
        if sender.looks_first and sender.command_id is not None and not dry_run:
            first = self._services.log.outcome(envelope.tenant, envelope.command_id)
            if first is not None:
                return self._again(first, envelope)
        handler = self._handlers.get(type(command))
        if handler is None:
            raise CommandUnknown(f"nothing handles {command.TYPE!r}")
        context = Context(
            services=self._services,
            envelope=envelope,
            expected=_expected(sender.expected_versions),
            dry_run=dry_run,
        )
        try:
            outcome = _decided(handler, command, sender, context)
        except RuleBroken as broken:
            first = None if dry_run else self._first(envelope, broken)
            if first is None:
                raise
            return self._again(first, envelope)
        return self._again(outcome, envelope) if outcome.repeated else outcome

    def _first(self, envelope: Envelope, broken: RuleBroken) -> Outcome | None:
        """What became of a refused command at its first coming; None: this was it. A refusal is kept."""
        if isinstance(broken, GuardrailBlocked):
            return self._services.log.outcome(envelope.tenant, envelope.command_id)
        if not _is_outcome(broken):
            return None
        kept = self._services.log.refuse(envelope, broken.code, broken.detail, broken.facts)
        return kept if kept.repeated else None

    def outcome(self, tenant: str, command_id: UUID) -> Outcome | None:
        """The outcome that the log keeps of a command; None: it has none yet."""
        return self._services.log.outcome(tenant, command_id)

    def _envelope(self, command: Command, sender: Sender) -> Envelope:
        command_id = sender.command_id or self._services.ids.command_id()
        content = encoded(command)
        if not sender.is_decoded:
            check_bounds(command, content)
        body = _encode([command.TYPE, msgspec.Raw(content), sender.reason, sender.expected_versions])
        if b"u0000" in body and _NUL.search(body):
            raise CommandMalformed("a text holds the character NUL, which not every database can keep")
        return Envelope(
            tenant=sender.tenant,
            actor=sender.actor,
            command_id=command_id,
            body_hash=hashlib.sha256(body).digest(),
            correlation_id=sender.correlation_id or command_id,
            causation_id=sender.causation_id,
            reason=sender.reason,
        )

    def _again(self, first: Outcome, envelope: Envelope) -> Outcome:
        """The outcome that a command had at its first coming; raises what refused it."""
        if first.body_hash != envelope.body_hash:
            raise CommandIdReused(f"the command id {envelope.command_id} was used with another body")
        if first.kind == "refused":
            code = first.code or ""
            raise RuleBroken.catalogue.get(code, RuleBroken)(first.detail or code, **first.facts)
        if first.kind == "accepted":
            self._refuse_blocked(first)
        return msgspec.structs.replace(first, repeated=True)

    def _refuse_blocked(self, accepted: Outcome) -> None:
        """Refuse a command whose last event is a blocking gate: the report is an event, the answer a no."""
        (last,) = self._services.log.read(accepted.position - 1, 1)
        if isinstance(last.event, GuardrailEvaluated) and last.event.report.enforced_as == "blocked":
            raise blocked(last.event.report)


def blocked(report: GateReport) -> GuardrailBlocked:
    """The refusal of a gate, its report inside."""
    reasons = "; ".join(issue.message for issue in report.issues if issue.severity == "error")
    return GuardrailBlocked(f"{report.target}: {reasons}", report=msgspec.to_builtins(report))


def _decided(handler: Handler, command: Command, sender: Sender, context: Context) -> Outcome:
    _check_reason(command, sender.reason)
    _check_override(command, sender)
    return _retried(handler, command, context)


def _retried(handler: Handler, command: Command, context: Context) -> Outcome:
    for _ in range(_ATTEMPTS - 1):
        try:
            return _attempted(handler, command, context)
        except StreamConflict:
            continue
    return _attempted(handler, command, context)


def _attempted(handler: Handler, command: Command, context: Context) -> Outcome:
    context.check_expected()
    return handler(command, context)


def _is_outcome(broken: RuleBroken) -> bool:
    return broken.kind is not Kind.UNAVAILABLE and not isinstance(broken, StreamConflict | CommandIdReused)


def _check_reason(command: Command, reason: str | None) -> None:
    if (command.NEEDS_REASON or overrides(command)) and not (reason and reason.strip()):
        raise ReasonMissing(f"{command.TYPE} needs a reason")
    if reason and len(reason) > _REASON_LENGTH_MAX:
        raise CommandMalformed(f"the reason has {len(reason)} characters, the limit is {_REASON_LENGTH_MAX}")


def _check_override(command: Command, sender: Sender) -> None:
    if overrides(command) and not sender.may_override:
        raise GuardrailOverrideDenied(f"{sender.actor.principal} may not override a gate")


def overrides(command: Command) -> bool:
    """Whether the command asks to pass a gate that blocks."""
    return getattr(command, "override", False) is True


def _expected(versions: Mapping[str, int]) -> dict[StreamKey, int]:
    return {stream_of(ref): version for ref, version in versions.items()}


def stream_of(ref: str) -> StreamKey:
    """The stream behind `type:id`; definition and dataset versions live in their parent's stream.

    Raises ReferenceMalformed.
    """
    kind, _, identity = ref.partition(":")
    match kind:
        case "ml_module_def":
            return StreamKey("ml_module_def", identity.partition("@")[0])
        case "dataset" | "dataset_version":
            return StreamKey("dataset", identity.partition("@")[0])
        case "alert":
            return StreamKey("alert", identity.partition("-")[0])
        case "model_instance" | "model_version":
            return StreamKey(kind, identity)
        case "training_run" | "inference_run" | "monitoring_run":
            return StreamKey("run", NodeRef.parse(ref).id)
        case _:
            raise ReferenceMalformed(f"{ref!r} names no kind of resource")
