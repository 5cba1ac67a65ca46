"""Part 5: data that shift, the alert that a rule of the package raises, and how it ends by itself.

The shift is made up, in a dataset that nothing else reads.
"""

from datetime import UTC, date, datetime

import polars as pl

from application.queries import AlertFilter, Paging
from application.views import AlertView, RunView
from domain.alert.commands import AcknowledgeAlert
from domain.dataset.commands import CreateDataset, WriteDatasetVersion
from domain.model_instance.commands import CreateInstance
from domain.model_instance.specification import Config, DatasetBinding
from domain.model_version.commands import PromoteVersion
from infrastructure.demo.chapters import LOADER, OWNER, PARQUET, RESEARCHER, last_close
from infrastructure.demo.feed import DECLARATION, FAULT_ENDS, FIRST, STUCK, TRUE_UNTIL, feed
from infrastructure.demo.stage import Stage

FEED, WATCH, DEFINITION = "us-prices-feed", "feed-watch", "rule-signals@1.0.0"
METRIC = "drift.share"
DURING, AFTER = datetime(2022, 4, 29, 20, tzinfo=UTC), datetime(2022, 12, 28, 21, tzinfo=UTC)
"""The closes of the last session with the fault, and of the last session of all."""


def play(stage: Stage) -> None:
    """A fault arrives, is measured, raises an alert, is acknowledged and repaired; the alert resolves."""
    uploads = feed(stage.rows("us-prices", 1, first=FIRST))
    stage.send(CreateDataset(name=FEED, declaration=DECLARATION), LOADER)
    about = f"a copy of us-prices from {FIRST.year} on, true up to {TRUE_UNTIL}"
    _write(stage, uploads.true, about)
    _train(stage)
    fault = f"made up: the closes of {len(STUCK)} of 20 stocks stand still up to {FAULT_ENDS}"
    _write(stage, uploads.faulty, fault)
    stage.run(WATCH, "inference", RESEARCHER, first=date(2022, 1, 1), last=FAULT_ENDS)
    found = _raised(stage, _monitored(stage, DURING))
    _acknowledge(stage, found)
    months = uploads.repaired.filter(pl.col("date") <= FAULT_ENDS).height
    _write(stage, uploads.repaired, f"repaired: {months} true closes, and what came after")
    _resolved(stage, found.id, _monitored(stage, AFTER))


def _write(stage: Stage, rows: pl.DataFrame, about: str) -> None:
    blob = stage.store(rows)
    stage.send(WriteDatasetVersion(dataset=FEED, blob_sha256=blob, media_type=PARQUET), LOADER)
    view = stage.service.queries.newest_dataset_version(stage.tenant, FEED)
    assert view is not None
    assert view.content is not None
    written = view.content.rows
    stage.account.claim(written == rows.height, f"{view.ref} holds {written} of {rows.height} rows")
    count = f"{'+' if view.parent else ''}{written:,} rows"
    stage.account.line(f"  {view.ref:<16} {count:>13}  {about}")


def _train(stage: Stage) -> None:
    prices = DatasetBinding(dataset=FEED, role="prices")
    command = CreateInstance(
        name=WATCH,
        definition=DEFINITION,
        description="The three rules on a feed that is watched.",
        training_datasets=(prices,),
        config=Config(calendar="XNYS", feature_lag=1, horizon=5),
        owner=OWNER,
    )
    stage.send(command, RESEARCHER)
    trained = stage.run(WATCH, "training", RESEARCHER, as_of=last_close(stage, TRUE_UNTIL.year))
    number = trained.model_version
    assert number is not None
    stage.send(PromoteVersion(instance=WATCH, number=number), OWNER, "the feed is to be watched")
    stage.account.line(
        f"  {WATCH}@{number}  trained as of {trained.as_of:%Y-%m-%d}; "
        "how its features were spread is kept with it"
    )


def _monitored(stage: Stage, as_of: datetime) -> RunView:
    """Measure the newest decisions against the training; say which features have drifted."""
    done = stage.run(WATCH, "monitoring", RESEARCHER, as_of=as_of)
    drifted = done.facts["drifted"]
    named = f": {', '.join(sorted(drifted))}" if drifted else ""
    features = sum(name.startswith("drift.feature.") for name in done.metrics)
    stage.account.line(
        f"  monitored     as of {as_of:%Y-%m-%d}: {len(drifted)} of {features} features are spread "
        f"unlike then{named} · {METRIC} {done.metrics[METRIC]:.3f}"
    )
    return done


def _raised(stage: Stage, run: RunView) -> AlertView:
    """Wait for what the policy makes of the run."""
    alert = stage.until(lambda: next(iter(_alerts(stage, "raised")), None))
    stage.account.claim(alert.run_id == run.id and alert.metric == METRIC, f"{alert.ref} is of another run")
    stage.account.claim(alert.value == run.metrics[METRIC], f"{alert.ref} says {alert.value}")
    stage.account.line(
        f"  alert raised  {alert.metric} {alert.value:.3f}, the rule of {DEFINITION} is {alert.condition} · "
        f"{alert.severity} · by {alert.raised.actor} [{alert.raised.position}]"
    )
    stage.account.line(f"                alert {alert.id}")
    return alert


def _acknowledge(stage: Stage, alert: AlertView) -> None:
    stage.send(AcknowledgeAlert(alert_id=alert.id), OWNER, "the feed stands still; its sender is asked")
    seen = _alert(stage, alert.id).acknowledged
    assert seen is not None
    stage.account.line(f'  acknowledged  by {seen.actor}, "{seen.reason}" [{seen.position}]')


def _resolved(stage: Stage, identity: str, run: RunView) -> None:
    """Wait until the policy has ended it: nobody else does."""
    alert = stage.until(lambda: next((one for one in _alerts(stage, "resolved") if one.id == identity), None))
    ended = alert.resolved
    assert ended is not None
    stage.account.claim(alert.cleared_by == run.id, f"{alert.ref} was resolved by {alert.cleared_by}")
    stage.account.claim(ended.actor != OWNER, f"{alert.ref} was resolved by hand")
    stage.account.line(
        f"  resolved      by itself: {alert.metric} {alert.cleared_value:.3f} · by {ended.actor} "
        f"[{ended.position}]"
    )


def _alerts(stage: Stage, state: str) -> tuple[AlertView, ...]:
    found = stage.service.queries.alerts(
        stage.tenant, AlertFilter(instance=WATCH, state=state), Paging(limit=10)
    )
    return tuple(found.items)


def _alert(stage: Stage, identity: str) -> AlertView:
    found = stage.service.queries.alert(stage.tenant, identity)
    assert found is not None
    return found
