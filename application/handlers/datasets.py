"""Use cases of datasets."""

from application.context import Context, check, write
from application.handlers.facts import load_dataset
from application.ports import Outcome, StreamCheck
from domain.dataset import decider
from domain.dataset.commands import (
    CompactDataset,
    CreateDataset,
    PurgeDatasetVersion,
    RegisterDatasetVersion,
    RejectDatasetVersion,
    VerifyDatasetVersion,
    WriteDatasetVersion,
)
from domain.dataset.errors import DatasetDeclarationInvalid
from domain.model_instance import decider as instances


def create_dataset(command: CreateDataset, context: Context) -> Outcome:
    """Create a source dataset."""
    calendar = command.declaration.calendar
    if calendar is not None and not context.services.sessions.known(calendar):
        raise DatasetDeclarationInvalid(f"there is no trading calendar {calendar!r}", field="calendar")
    loaded = load_dataset(context, command.name)
    events = decider.create(loaded.state, command.name, "source", command.declaration, None)
    return context.append(write(decider.stream(command.name), loaded, events))


def write_dataset_version(command: WriteDatasetVersion, context: Context) -> Outcome:
    """Add the rows of a stored blob; rows that are there already make no version."""
    loaded = load_dataset(context, command.dataset)
    created = decider.writable(loaded.state, command.dataset, instance=None)
    prepared = context.services.datasets.prepare(
        created.declaration,
        loaded.state.newest_facts(),
        context.services.artifacts.checked_path(command.blob_sha256),
        command.media_type,
        written_at=context.services.clock.now(),
        backfill=command.backfill,
    )
    if prepared is None:
        return context.append()
    _, events = decider.write(
        loaded.state,
        command.dataset,
        files=prepared.files,
        facts=prepared.facts,
        backfill=prepared.backfill,
        run_id=None,
        simulated=False,
    )
    return context.append(write(decider.stream(command.dataset), loaded, events))


def register_dataset_version(command: RegisterDatasetVersion, context: Context) -> Outcome:
    """Take note of a version made elsewhere; a policy verifies its bytes."""
    loaded = load_dataset(context, command.dataset)
    return context.append(
        write(decider.stream(command.dataset), loaded, decider.register(loaded.state, command))
    )


def verify_dataset_version(command: VerifyDatasetVersion, context: Context) -> Outcome:
    """The announced bytes hold."""
    loaded = load_dataset(context, command.dataset)
    events = decider.verify(loaded.state, command.dataset, command.number, command.files, command.facts)
    return context.append(write(decider.stream(command.dataset), loaded, events))


def reject_dataset_version(command: RejectDatasetVersion, context: Context) -> Outcome:
    """The announced bytes do not hold."""
    loaded = load_dataset(context, command.dataset)
    events = decider.reject(loaded.state, command.dataset, command.number, command.code, command.detail)
    return context.append(write(decider.stream(command.dataset), loaded, events))


def compact_dataset(command: CompactDataset, context: Context) -> Outcome:
    """Rewrite the newest version's files into few; the rows stay, proved by their hash."""
    loaded = load_dataset(context, command.dataset)
    number = decider.newest(loaded.state, command.dataset)
    facts = decider.readable(loaded.state, command.dataset, number)
    files, row_hash, manifest = context.services.datasets.compact(facts.manifest_sha256)
    events = decider.compact(loaded.state, command.dataset, number, files, row_hash, manifest)
    return context.append(write(decider.stream(command.dataset), loaded, events))


def purge_dataset_version(command: PurgeDatasetVersion, context: Context) -> Outcome:
    """Delete the bytes that a version added; a policy does it once the event is recorded."""
    loaded = load_dataset(context, command.dataset)
    decider.version(loaded.state, command.dataset, command.number)
    position = context.services.log.head()
    candidates = context.services.lookups.production_versions_reading(
        context.tenant, command.dataset, command.number, position
    )
    needed: list[str] = []
    checks: list[StreamCheck] = []
    for ref in candidates:
        stream = instances.stream(ref.name)
        instance = context.load(stream, instances.INITIAL, instances.evolve)
        checks.append(check(stream, instance))
        if instance.state.active == ref.number:
            needed.append(str(ref))
    events = decider.purge(
        loaded.state, command.dataset, command.number, force=command.force, needed_by=tuple(needed)
    )
    return context.append(write(decider.stream(command.dataset), loaded, events), checks=checks)
