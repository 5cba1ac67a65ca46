"""Valid objects to start a test from; every builder takes changes by keyword."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from domain.categories import Category
from domain.dataset.declaration import Column, Coverage, DataFile, Declaration
from domain.dataset.events import ContentFacts
from domain.ml_module_def.events import Check
from domain.ml_module_def.manifest import InputRole, Manifest
from domain.model_instance.specification import DatasetBinding, Specification
from domain.model_version.events import FeatureReading, VersionInput, VersionRegistered
from domain.run.events import RunSubmitted
from domain.run.pins import PinnedConfig, PinnedInput, PinnedLimits
from domain.shared.references import DefinitionRef

NOW = datetime(2026, 3, 14, 17, 0, tzinfo=UTC)
RUN = "01920000-0000-7000-8000-000000000001"
OTHER_RUN = "01920000-0000-7000-8000-000000000002"
AUTHOR = "p_author"
PASSED_CHECK = Check(name="structure", ok=True, seconds=0.1)


def digest(text: str) -> str:
    """The SHA-256 of a text: a hash that looks like one."""
    return sha256(text.encode()).hexdigest()


def manifest(**changes: Any) -> Manifest:
    """A signal definition with one input role and no contract."""
    valid = Manifest(
        name="xgb-signal",
        version="1.0.0",
        category=Category.SIGNAL,
        description="A signal.",
        package_sha256=digest("package"),
        package_bytes=1000,
        entry_points={"model": "model.net:Net"},
        inputs=(InputRole(role="prices", columns=("close",)),),
        contracts=(),
        requirements=(),
    )
    return replace(valid, **changes)


def specification(**changes: Any) -> Specification:
    """A staging instance on one price dataset."""
    prices = (DatasetBinding(dataset="us-prices", role="prices"),)
    valid = Specification(
        definition=DefinitionRef("xgb-signal", "1.0.0"),
        training_datasets=prices,
        inference_datasets=prices,
        owner=AUTHOR,
    )
    return replace(valid, **changes)


def pinned_config(**changes: Any) -> PinnedConfig:
    """What a run pins of a default configuration."""
    valid = PinnedConfig(
        target_col=None,
        feature_cols=None,
        feature_lag=1,
        horizon=1,
        train_window=None,
        calendar=None,
        decision_time=None,
        history="vintage",
        max_age=None,
        embargo=0,
        hyper_parameters={},
    )
    return replace(valid, **changes)


def run_submitted(**changes: Any) -> RunSubmitted:
    """A pending training run."""
    valid = RunSubmitted(
        run_id=RUN,
        kind="training",
        instance="spx-alpha",
        definition=DefinitionRef("xgb-signal", "1.0.0"),
        package_sha256=digest("package"),
        config=pinned_config(),
        limits=PinnedLimits(time_s=3600, memory_mib=4096),
        inputs=(PinnedInput(dataset="us-prices", version=1, role="prices"),),
        output_dataset="spx-alpha-predictions",
        model=None,
        as_of=NOW,
        decisions=None,
        refit=False,
        executor="local",
        trigger="manual",
        retry_of=None,
    )
    return replace(valid, **changes)


def version_registered(**changes: Any) -> VersionRegistered:
    """Version 1 of `spx-alpha`, in staging."""
    reading = FeatureReading(
        target_col=None,
        feature_cols=None,
        feature_lag=1,
        horizon=1,
        calendar=None,
        decision_time=None,
        history="vintage",
        max_age=None,
    )
    valid = VersionRegistered(
        instance="spx-alpha",
        number=1,
        run_id=RUN,
        definition=DefinitionRef("xgb-signal", "1.0.0"),
        package_sha256=digest("package"),
        artifact_sha256=digest("artifact"),
        artifact_bytes=8,
        artifact_format="xgboost-json",
        metrics={"rank_ic": 0.03},
        hyper_parameters={},
        inputs=(VersionInput(dataset="us-prices", version=1, role="prices"),),
        reading=reading,
        trained_as_of=NOW,
        stage="staging",
        external=False,
        refit=False,
    )
    return replace(valid, **changes)


def declaration(*columns: str, **changes: Any) -> Declaration:
    """Numeric value columns; `close` unless others are named."""
    named = tuple(Column(name=name, type="float64") for name in columns or ("close",))
    return replace(Declaration(columns=named), **changes)


def data_file(name: str = "rows", rows: int = 2) -> DataFile:
    """A Parquet file of the store."""
    return DataFile(sha256=digest(name), rows=rows, size_bytes=100)


def content_facts(**changes: Any) -> ContentFacts:
    """What the store knows of a first version of two rows."""
    valid = ContentFacts(
        rows=2,
        total_rows=2,
        last_seq=2,
        row_hash=digest("row hash"),
        manifest_sha256=digest("manifest"),
        schema_sha256=digest("schema"),
        coverage=Coverage(first_date="2026-03-12", last_date="2026-03-13", entities=1, keys=2),
        knowledge_first=NOW - timedelta(days=2),
        knowledge_last=NOW - timedelta(days=1),
        superseding=0,
    )
    return replace(valid, **changes)
