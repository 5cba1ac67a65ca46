"""The report of the gate that a command passed, read back from the events of that command."""

from uuid import UUID

from domain.guardrails.events import GateReport, GuardrailEvaluated
from domain.shared.activity import StreamKey
from infrastructure.bootstrap import Service


def report_of(service: Service, tenant: str, command_id: UUID, stream: StreamKey) -> GateReport | None:
    """The report that this command left in the stream; None if it passed no gate."""
    for recorded in service.log.read_stream(tenant, stream):
        if recorded.command_id == command_id and isinstance(recorded.event, GuardrailEvaluated):
            return recorded.event.report
    return None
