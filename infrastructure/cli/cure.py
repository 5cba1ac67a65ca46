"""What an operator does when something was lost: republish, backup, restore. Nothing of it runs through HTTP.

Everything comes from `OPTAIC_MLOPS_*`; docs/operations.md says when to use which.
"""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from infrastructure.cli import output
from infrastructure.cli.session import USAGE, JsonOption, fail, refusals
from infrastructure.cli.settings import load_settings

FromPosition = Annotated[int, typer.Option("--from", min=0, help="The first position; 0 is the beginning.")]
Rekey = Annotated[
    bool, typer.Option("--rekey", help="Into a new topic with OPTAIC_MLOPS_KAFKA_PARTITIONS partitions.")
]
FromKafka = Annotated[bool, typer.Option("--from-kafka", help="From the activity topic.")]
FromBackup = Annotated[
    Path | None, typer.Option("--from-backup", help="From a folder that `backup` wrote.", exists=True)
]
Target = Annotated[Path, typer.Argument(help="A folder that does not exist yet.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("republish", help="Publish the log to Kafka again; stop the relay first.")(republish)
    app.command("backup", help="Save the log as a folder, beside the running service.")(back_up)
    app.command("restore", help="Fill an empty log from Kafka or from a backup.")(restore)


def republish(from_position: FromPosition = 0, rekey: Rekey = False, as_json: JsonOption = False) -> None:
    """Refused while a relay publishes."""
    with refusals(as_json):
        from infrastructure.cli.production import opened_log
        from infrastructure.kafka.clients import Kafka
        from infrastructure.kafka.republish import republish as publish_again

        settings = load_settings()
        with opened_log(settings) as (log, url):
            done = publish_again(
                log,
                url,
                Kafka.of(settings),
                from_position=from_position,
                partitions=settings.kafka_partitions,
                rekey_to=settings.kafka_partitions if rekey else None,
                replication=settings.kafka_replication,
            )
        words = f"{done.messages} events, {done.first} to {done.last}, are on {done.topic}"
        _say(done, words, as_json)


def back_up(target: Target, as_json: JsonOption = False) -> None:
    """The folder appears whole or not at all."""
    with refusals(as_json):
        from infrastructure.backup import backup
        from infrastructure.cli.production import opened_log

        with opened_log(load_settings()) as (log, _):
            done = backup(log, target)
        _say(done, f"{done.events} events, hash {done.log_hash}, are in {target}", as_json)


def restore(
    from_kafka: FromKafka = False, from_backup: FromBackup = None, as_json: JsonOption = False
) -> None:
    """As the service's database role; relay and consumers must not run."""
    if from_kafka == (from_backup is not None):
        fail({"code": "argument.malformed", "detail": "name --from-kafka or --from-backup"}, USAGE, as_json)
    with refusals(as_json):
        from infrastructure.cli.production import opened_log

        settings = load_settings()
        with opened_log(settings) as (log, url):
            if from_backup is not None:
                from infrastructure.backup import restore as restore_backup

                kept = restore_backup(log, from_backup, database_url=url)
                _say(kept, f"{kept.events} events, hash {kept.log_hash}, are in the log", as_json)
                return
            from infrastructure.kafka.clients import Kafka
            from infrastructure.kafka.restore import restore_from_kafka
            from infrastructure.kafka.topics import TOPICS

            done = restore_from_kafka(log, Kafka.of(settings), TOPICS.activity, database_url=url)
            _say(done, f"{done.events} events, hash {done.log_hash}, are in the log", as_json)


def _say(done: msgspec.Struct, words: str, as_json: bool) -> None:
    if as_json:
        output.print_json(msgspec.to_builtins(done))
    else:
        print(words)
