"""One example of every event, made by hand: what the golden log of form 1 holds.

Run `python -m tests.activity_log.event_examples` to add the lines of new topics; none is ever changed.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from domain.access import events as access
from domain.alert import events as alert
from domain.alert_rules import AlertRule
from domain.catalogue import EVENTS
from domain.categories import Category
from domain.dataset import events as dataset
from domain.dataset.declaration import Column, Coverage, DataFile, Declaration
from domain.guardrails.contracts import Contract
from domain.guardrails.events import GateReport, GuardrailEvaluated, Issue
from domain.ml_module_def import events as definition
from domain.ml_module_def.manifest import InputRole, Manifest
from domain.model_instance import events as instance
from domain.model_instance.specification import (
    Config,
    DatasetBinding,
    Limits,
    PromotionPolicy,
    Schedule,
    Specification,
)
from domain.model_version import events as version
from domain.run import events as run
from domain.run.pins import (
    Artifact,
    DateRange,
    MetricPoint,
    PinnedConfig,
    PinnedInput,
    PinnedLimits,
    PinnedModel,
)
from domain.shared.activity import Actor, Envelope, Event
from domain.shared.references import DefinitionRef
from infrastructure.activity_log.exchange import line_of
from infrastructure.activity_log.payload import encode_payload
from infrastructure.activity_log.submission import RowBuilder
from tests.activity_log.scenes import uid

GOLDEN = Path(__file__).parent / "golden" / "form1.jsonl"

RUN = "01922f3c-7b2a-7c3d-8e4f-5a6b7c8d9e0f"
MOMENT = datetime(2026, 3, 14, 17, 0, 0, 123456, tzinfo=UTC)
DEFINITION = DefinitionRef("xgb-signal", "1.2.0")
_KINDS = ("training", "inference", "monitoring")


def sha(digit: str) -> str:
    return digit * 64


def _definitions() -> tuple[Event, ...]:
    manifest = Manifest(
        name="xgb-signal",
        version="1.2.0",
        category=Category.SIGNAL,
        description="Gradient-boosted signal – “näive” baseline",
        package_sha256=sha("a"),
        package_bytes=48_213,
        entry_points={"trainer": "training.trainer:Trainer", "model": "model.net:Net"},
        inputs=(InputRole(role="prices", columns=("close", "volume"), description="daily bars"),),
        contracts=(Contract(kind="signal.bounds", config={"low": -1, "high": 1.0}, enforce="block"),),
        requirements=("xgboost-cpu>=3.2",),
    )
    check = definition.Check(name="pytest", ok=True, seconds=1.25, detail="12 passed")
    return (
        definition.DefinitionSubmitted(manifest=manifest, submitter="p_ada"),
        definition.DefinitionEvaluated(
            name="xgb-signal",
            version="1.2.0",
            package_sha256=sha("a"),
            verdict="passed",
            sandbox_level="L1",
            checks=(check,),
            report_sha256=sha("b"),
            hyper_parameter_schema={
                "type": "object",
                "properties": {"depth": {"type": "integer", "default": None}},
            },
            output_columns={"score": "float64"},
        ),
        definition.DefinitionPublished(name="xgb-signal", version="1.2.0"),
        definition.DefinitionDeprecated(name="xgb-signal", version="1.2.0"),
    )


def _specification() -> Specification:
    return Specification(
        definition=DEFINITION,
        description="S&P 500 alpha",
        training_datasets=(DatasetBinding(dataset="us-prices", role="prices", version=12),),
        inference_datasets=(DatasetBinding(dataset="us-prices"),),
        outcome_dataset="us-returns",
        config=Config(
            target_col="ret_1d",
            feature_cols=("close", "volume"),
            feature_lag=1,
            horizon=5,
            train_window=504,
            calendar="XNYS",
            decision_time="16:30 America/New_York",
            history="restated",
            max_age=3,
            embargo=2,
            hyper_parameters={"learning_rate": 0.1, "depth": 6},
        ),
        schedules=(Schedule(kind="inference", cron="0 18 * * 1-5", timezone="America/New_York"),),
        limits=Limits(time_s=600, memory_mib=2048),
        owner="p_ada",
        space="official",
        tags=("equity",),
        promotion_policy=PromotionPolicy(mode="automatic", metric="rank_ic", at_least=0.02),
    )


def _instances() -> tuple[Event, ...]:
    specification = _specification()
    return (
        instance.InstanceCreated(
            name="spx-alpha", specification=specification, output_dataset="spx-alpha-predictions"
        ),
        instance.InstanceUpdated(name="spx-alpha", specification=specification, changed=("config", "tags")),
        instance.InstanceVersionNumbered(name="spx-alpha", number=3, run_id=RUN),
        instance.InstanceActiveVersionChanged(name="spx-alpha", active=3, former=None),
        instance.InstanceArchived(name="spx-alpha"),
        instance.SlotSkipped(name="spx-alpha", kind="training", slot=MOMENT, cause="instance was busy"),
    )


_MODEL = PinnedModel(number=3, artifact_sha256=sha("c"), trained_as_of=MOMENT)


def _run_submitted(kind: run.Kind) -> Event:
    return run.RunSubmitted(
        run_id=RUN,
        kind=kind,
        instance="spx-alpha",
        definition=DEFINITION,
        package_sha256=sha("a"),
        config=PinnedConfig(
            target_col="ret_1d",
            feature_cols=None,
            feature_lag=1,
            horizon=5,
            train_window=None,
            calendar="XNYS",
            decision_time=None,
            history="vintage",
            max_age=None,
            embargo=0,
            hyper_parameters={"depth": 6},
        ),
        limits=PinnedLimits(time_s=600, memory_mib=2048),
        inputs=(PinnedInput(dataset="us-prices", version=12, role="prices", use="input"),),
        output_dataset="spx-alpha-predictions",
        model=None
        if kind == "training"
        else PinnedModel(number=3, artifact_sha256=sha("c"), trained_as_of=MOMENT),
        as_of=MOMENT,
        decisions=DateRange(first=date(2026, 3, 2), last=date(2026, 3, 13)) if kind == "inference" else None,
        refit=False,
        executor="local",
        trigger="manual",
        retry_of=None,
    )


def _runs(kind: run.Kind) -> tuple[Event, ...]:
    whose: dict[str, Any] = {"run_id": RUN, "kind": kind, "instance": "spx-alpha"}
    artifact = Artifact(sha256=sha("c"), size_bytes=120_001, format="xgboost-json")
    return (
        _run_submitted(kind),
        run.RunStarted(**whose, worker="local-1", python="3.11.7", distributions={"polars": "2.1.0"}),
        run.RunMetricsLogged(**whose, points=(MetricPoint(name="loss", step=1, value=0.6931471805599453),)),
        run.RunCompleted(
            **whose,
            metrics={"rank_ic": 0.031},
            artifact=artifact if kind == "training" else None,
            model_version=3 if kind == "training" else None,
            dataset_version=41 if kind == "inference" else None,
            facts={"last_trainable": "2026-03-06", "dropped": 17},
            log_sha256=sha("d"),
        ),
        *_reproduced(kind),
        run.RunFailed(**whose, code="run.lease_expired", message="no sign of life for 60 s", log_sha256=None),
        run.RunCancelled(**whose),
    )


def _reproduced(kind: run.Kind) -> tuple[Event, ...]:
    """Only trainings are reproduced."""
    if kind != "training":
        return ()
    difference = run.RunDifference(what="metric rank_ic", recorded="0.031", reproduced="0.032")
    return (
        run.RunReproduced(
            run_id=RUN,
            instance="spx-alpha",
            by_run=RUN.replace("9e0f", "9e10"),
            verdict="differs",
            equal_artifact=True,
            equal_metrics=False,
            differences=(difference,),
            environment=(
                run.RunDifference(what="distribution polars", recorded="2.1.0", reproduced="2.2.0"),
            ),
        ),
    )


def _gates() -> tuple[Event, ...]:
    issue = Issue(
        code="signal.bounds",
        severity="error",
        message="3 rows above 1",
        contract="signal.bounds#0123456789abcdef",
        observed={"maximum": 1.5},
        limit={"high": 1.0, "low": None},
        rows=3,
        keys=("2026-03-13/AAPL",),
    )
    report = GateReport(
        gate="run_complete",
        target=f"training_run:{RUN}",
        ok=False,
        enforced_as="blocked",
        contracts=("signal.bounds#0123456789abcdef",),
        issues=(issue,),
    )
    return (GuardrailEvaluated(report=report),)


def _versions() -> tuple[Event, ...]:
    whose = {"instance": "spx-alpha", "number": 3}
    reading = version.FeatureReading(
        target_col="ret_1d",
        feature_cols=("close", "volume"),
        feature_lag=1,
        horizon=5,
        calendar="XNYS",
        decision_time="16:30 America/New_York",
        history="vintage",
        max_age=3,
    )
    return (
        version.VersionRegistered(
            **whose,
            run_id=RUN,
            definition=DEFINITION,
            package_sha256=sha("a"),
            artifact_sha256=sha("c"),
            artifact_bytes=120_001,
            artifact_format="xgboost-json",
            metrics={"rank_ic": 0.031, "mse": 1e-07},
            hyper_parameters={"depth": 6},
            inputs=(version.VersionInput(dataset="us-prices", version=12, role="prices"),),
            reading=reading,
            trained_as_of=MOMENT,
            stage="staging",
            external=False,
            refit=False,
        ),
        version.VersionStaged(**whose),
        version.VersionPromoted(**whose, replaces=2),
        version.VersionRolledBack(**whose, replaces=None),
        version.VersionArchived(**whose, former_stage="production", replaced_by=4),
        version.VersionAnnotated(**whose, description="kept for audit", tags=("audit",)),
        version.VersionPurged(**whose, artifact_sha256=sha("c"), forced=True),
    )


def _facts() -> dataset.ContentFacts:
    return dataset.ContentFacts(
        rows=250,
        total_rows=5_000,
        last_seq=5_000,
        row_hash=sha("e"),
        manifest_sha256=sha("f"),
        schema_sha256=sha("0"),
        coverage=Coverage(first_date="2020-01-02", last_date="2026-03-13", entities=20, keys=4_900),
        knowledge_first=MOMENT,
        knowledge_last=MOMENT,
        superseding=4,
    )


def _datasets() -> tuple[Event, ...]:
    whose = {"dataset": "us-prices", "number": 12}
    files = (DataFile(sha256=sha("9"), rows=250, size_bytes=9_001),)
    located = dataset.LocatedFile(location="lake", key="prices/2026.parquet", sha256=sha("9"), rows=250)
    declaration = Declaration(columns=(Column(name="close", type="float64"),), calendar="XNYS", early_days=1)
    return (
        dataset.DatasetCreated(name="us-prices", kind="source", declaration=declaration, instance=None),
        dataset.DatasetVersionWritten(
            **whose, parent=11, files=files, facts=_facts(), backfill=False, run_id=None, simulated=False
        ),
        dataset.DatasetVersionRegistered(
            **whose,
            parent=11,
            files=(located,),
            knowledge_first=MOMENT,
            knowledge_last=MOMENT,
            backfill=False,
            producer=dataset.Producer(service="ingest", run="r-1"),
        ),
        dataset.DatasetVersionVerified(**whose, files=files, facts=_facts()),
        dataset.DatasetVersionRejected(
            **whose, code="pit.hash_mismatch", detail="other bytes than announced"
        ),
        dataset.DatasetVersionCompacted(**whose, files=files, row_hash=sha("e"), manifest_sha256=sha("f")),
        dataset.DatasetVersionPurged(**whose, files=files, forced=False),
    )


def _access() -> tuple[Event, ...]:
    key, principal = "0123456789abcdef", "service:datahub"
    return (
        access.AccessGranted(
            key_id=key,
            principal=principal,
            role="writer",
            secret_sha256=sha("f"),
            label="nightly loads – “data hub”",
            expires_at=MOMENT,
        ),
        access.AccessRevoked(key_id=key),
        access.AccessDenied(
            key_id=key,
            principal=principal,
            role="writer",
            operation="POST /api/v1/system/rebuild",
            role_needed="operator",
        ),
    )


def _alerts() -> tuple[Event, ...]:
    identity = "0f8fad5bd9cb569fa16570867728950e-2"
    rule = AlertRule(
        name="drift",
        metric="drift.feature.*",
        comparison="gt",
        threshold=0.2,
        severity="error",
        window="mean",
        over=3,
        for_runs=2,
        clear_threshold=0.1,
        clear_runs=1,
    )
    return (
        alert.AlertRaised(
            alert_id=identity,
            instance="spx-alpha",
            number=2,
            rule=rule,
            metric="drift.feature.mom_5",
            value=0.25,
            run_id=RUN,
        ),
        alert.AlertAcknowledged(alert_id=identity, instance="spx-alpha"),
        alert.AlertResolved(alert_id=identity, instance="spx-alpha", run_id=None, value=None),
    )


def examples() -> tuple[Event, ...]:
    """One event a topic, as the domain has them today."""
    runs = tuple(event for kind in _KINDS for event in _runs(kind))
    return (
        *_definitions(),
        *_instances(),
        *runs,
        *_gates(),
        *_versions(),
        *_datasets(),
        *_access(),
        *_alerts(),
    )


def golden_lines(events: Sequence[Event], first: int = 1) -> list[str]:
    """The events as lines of a log, each in a command and a stream of its own."""
    return [_line(event, position) for position, event in enumerate(events, first)]


def _line(event: Event, position: int) -> str:
    topic = event.topic()
    envelope = Envelope(
        tenant="acme",
        actor=Actor(principal="p_ada", method="api_key", on_behalf_of="p_bob"),
        command_id=uid(f"golden {topic}"),
        body_hash=bytes(range(32)),
        correlation_id=uid("golden"),
        causation_id=uid("cause"),
        reason="golden",
    )
    kind, identity = event.resource()
    made = RowBuilder(envelope).prepared(str(uid(topic)), 1, kind, identity, topic, encode_payload(event))
    return line_of((position, *made.columns, 1_773_507_600_000_000 + position, made.payload))


def main() -> None:
    """Append a line for each topic that has none yet."""
    present = GOLDEN.read_text("utf-8").splitlines() if GOLDEN.exists() else []
    missing = [event for event in examples() if not any(f'"{event.topic()}"' in line for line in present)]
    lines = [*present, *golden_lines(missing, len(present) + 1)]
    GOLDEN.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    print(f"{len(missing)} lines added, {len(lines)} of {len(EVENTS)} topics")


if __name__ == "__main__":
    main()
