"""Versions made elsewhere: their bytes are hashed and checked before anybody can read them."""

from application.policies.context import PolicyContext
from domain.dataset import decider
from domain.dataset.commands import RejectDatasetVersion, VerifyDatasetVersion
from domain.dataset.events import DatasetVersionRegistered
from domain.shared.activity import RecordedEvent
from domain.shared.command import Command
from domain.shared.errors import RuleBroken


def verify_bytes(recorded: RecordedEvent, context: PolicyContext) -> None:
    """Check the announced files; send the verdict."""
    event = recorded.event
    if not isinstance(event, DatasetVersionRegistered):
        return
    stream = decider.stream(event.dataset)
    loaded = context.services.log.load(recorded.tenant, stream, decider.INITIAL, decider.evolve)
    if decider.version(loaded.state, event.dataset, event.number).status == "registered":
        context.send("verification", _verdict(event, loaded.state, context), recorded, "bytes were checked")


def _verdict(event: DatasetVersionRegistered, state: decider.State, context: PolicyContext) -> Command:
    declaration = decider.existing(state, event.dataset).declaration
    parent = None if event.parent is None else state.versions[event.parent - 1].facts
    try:
        prepared = context.services.datasets.prepare_located(
            declaration,
            parent,
            event.files,
            written_at=context.services.clock.now(),
            backfill=event.backfill,
        )
    except RuleBroken as broken:
        return RejectDatasetVersion(
            dataset=event.dataset, number=event.number, code=broken.code, detail=broken.detail
        )
    return VerifyDatasetVersion(
        dataset=event.dataset, number=event.number, files=prepared.files, facts=prepared.facts
    )
