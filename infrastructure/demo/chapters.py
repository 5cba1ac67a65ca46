"""The first three parts of the story: data, definitions, and the life of two models."""

import math
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from application.views import RunView, VersionView
from domain.dataset.commands import CreateDataset, WriteDatasetVersion
from domain.model_instance.commands import CreateInstance
from domain.model_instance.specification import Config, DatasetBinding
from domain.model_version.commands import PromoteVersion, RollbackVersion
from infrastructure.demo.sources import LOADERS, DemoDataset
from infrastructure.demo.spoiled import leaky
from infrastructure.demo.stage import Stage

LOADER, RESEARCHER, OWNER = "data-loader", "researcher", "model-owner"
SIGNAL, REGIME = "spx-alpha", "us-regime"
EXAMPLES = Path(__file__).parents[2] / "examples"
PARQUET = "application/vnd.apache.parquet"
AUC_RANGE = (0.945, 0.985)
GDP_GROWTH = (1.07, 0.83)
LEAK_ABOVE = 0.3
DEFINITIONS = (
    "xgb-signal",
    "gmm-regime",
    "rule-signals",
    "nnls-combiner",
    "ranker-filter",
    "feature-relevance",
)
_SAYS = {
    "us-prices": "known at the session's close (a rule)",
    "us-index": "known at the session's close (a rule)",
    "us-macro-q": "known 30 days after quarter end (a rule)",
    "us-macro-v": "observed",
    "us-recessions": "typed in as facts, used for outcomes only",
}


@dataclass
class Told:
    """What later parts come back to: versions, runs and the positions of turning points."""

    trainings: list[RunView] = field(default_factory=list[RunView])
    predictions: list[RunView] = field(default_factory=list[RunView])
    promotions: list[int] = field(default_factory=list[int])
    rolled_back: int = 0


def data(stage: Stage) -> None:
    """Part 1: create the datasets, write their versions, read one figure at two moments."""
    for load in LOADERS:
        with stage.account.working(load.__name__):
            _write(stage, load())
    _gdp_growth(stage)


def _write(stage: Stage, source: DemoDataset) -> None:
    stage.send(CreateDataset(name=source.name, declaration=source.declaration), LOADER)
    for rows in source.uploads:
        blob = stage.store(rows)
        stage.send(WriteDatasetVersion(dataset=source.name, blob_sha256=blob, media_type=PARQUET), LOADER)
        view = stage.service.queries.newest_dataset_version(stage.tenant, source.name)
        stage.account.claim(view is not None and view.content is not None, f"{source.name} was not written")
        assert view is not None
        assert view.content is not None
        content = view.content
        count = f"{'+' if view.parent else ''}{content.rows:,} rows"
        about = (
            f"{content.coverage.entities} series, {content.coverage.first_date}..{content.coverage.last_date}"
        )
        if view.parent:
            about = f"{content.superseding} revised, {content.rows - content.superseding} new"
        stage.account.claim(
            content.rows == rows.height, f"{view.ref} holds {content.rows} of {rows.height} rows"
        )
        stage.account.line(f"  {view.ref:<16} {count:>13}  {about:<34} {_SAYS[source.name]}")


def _gdp_growth(stage: Stage) -> None:
    """The same question at two moments gives two answers, and both are kept."""
    before = gdp_growth(stage, datetime(2016, 7, 1, tzinfo=UTC))
    after = gdp_growth(stage, datetime(2016, 8, 1, tzinfo=UTC))
    stage.account.claim((round(before, 2), round(after, 2)) == GDP_GROWTH, f"growth {before} and {after}")
    stage.account.line(
        f"  US GDP growth in 2016Q1: {before:.2f} % as of 2016-07-01, {after:.2f} % as of 2016-08-01. "
        "Both answers are kept."
    )


def gdp_growth(stage: Stage, as_of: datetime) -> float:
    """Annualised log growth of US GDP in 2016Q1 in %, as known at a moment."""
    view = stage.service.queries.newest_dataset_version(stage.tenant, "us-macro-v")
    assert view is not None
    assert view.content is not None
    rows = stage.service.datasets.read(
        view.content.manifest_sha256,
        as_of,
        first=date(2015, 12, 31),
        last=date(2016, 3, 31),
        entities=["GDPC1"],
    )
    quarters = rows.filter(pl.col("date").is_in([date(2015, 12, 31), date(2016, 3, 31)]))["value"].to_list()
    return 400 * math.log(quarters[1] / quarters[0])


def definitions(stage: Stage) -> None:
    """Part 2: submit the definitions and one that looks ahead, wait for the verdicts, publish what passed."""
    submitted = [stage.submit(EXAMPLES / name, RESEARCHER) for name in DEFINITIONS]
    with tempfile.TemporaryDirectory() as scratch:
        spoiled = stage.submit(leaky(EXAMPLES / "rule-signals", Path(scratch)), RESEARCHER)
    for name, version in submitted:
        with stage.account.working(f"evaluating {name}"):
            view, position = stage.publish(name, version, RESEARCHER)
        assert view.evaluation is not None
        passed = {check.name: check for check in view.evaluation.checks}
        tests = passed["tests"].detail
        stage.account.line(
            f"  {view.ref:<23} {view.category:<16} 5 of 5 components · {tests} · published [{position}]"
        )
    _refused_for_its_leak(stage, *spoiled)


def _refused_for_its_leak(stage: Stage, name: str, version: str) -> None:
    """The copy whose feature knows the future passes its own tests, but not the evaluation."""
    view = stage.verdict(name, version)
    assert view.evaluation is not None
    wrong = {check.name: check.detail for check in view.evaluation.checks if not check.ok}
    stage.account.claim(view.state == "failed" and set(wrong) == {"lookahead"}, f"{view.state}: {wrong}")
    finding = wrong["lookahead"].splitlines()[1]
    stage.account.line(
        f"  {view.ref:<23} {view.category:<16} refused, its feature knows three sessions ahead:"
    )
    stage.account.line(f"      {finding}")


def models(stage: Stage) -> Told:
    """Part 3: the regime model, then two versions of the signal, promotions, predictions, a rollback."""
    stage.account.line(
        "  AUC: how well recessions are told apart, 1 is always, 0.5 is chance. rank IC: correlation of the"
    )
    stage.account.line(
        "  ranks of a date's signals with those of the returns that came, mean of all dates, 0 is chance."
    )
    _create_instances(stage)
    _regime(stage)
    told = Told()
    _signal_year(stage, told, 2021, "first version, gate passed")
    _signal_year(stage, told, 2022, "retrained with 2021, gate passed")
    _roll_back(stage, told)
    return told


def _create_instances(stage: Stage) -> None:
    stage.send(
        CreateInstance(
            name=SIGNAL,
            definition="xgb-signal@1.0.0",
            description="Weekly cross-section of 20 US stocks.",
            training_datasets=(
                DatasetBinding(dataset="us-prices", role="prices"),
                DatasetBinding(dataset="us-index", role="index"),
            ),
            config=Config(calendar="XNYS", feature_lag=1, horizon=5),
            owner=OWNER,
        ),
        RESEARCHER,
    )
    stage.send(
        CreateInstance(
            name=REGIME,
            definition="gmm-regime@1.0.0",
            description="Expansion or recession, quarterly.",
            training_datasets=(DatasetBinding(dataset="us-macro-q", role="macro"),),
            outcome_dataset="us-recessions",
            config=Config(feature_lag=0, horizon=0),
            owner=OWNER,
        ),
        RESEARCHER,
    )


def _regime(stage: Stage) -> None:
    done = stage.run(REGIME, "training", RESEARCHER, as_of=datetime(2009, 10, 30, 12, 30, tzinfo=UTC))
    auc = done.metrics["auc"]
    low, high = AUC_RANGE
    stage.account.claim(low <= auc <= high, f"AUC {auc} is outside {low}..{high}")
    stage.account.line(
        f"  {REGIME}@{done.model_version}   trained as of {done.as_of:%Y-%m-%d} · AUC against NBER "
        f"recessions {auc:.3f} (expected {low} to {high})"
    )


def _signal_year(stage: Stage, told: Told, year: int, reason: str) -> None:
    """Train at the close of the year before, promote, predict the year."""
    with stage.workflow():
        version = train_signal(stage, told, year)
        outcome = stage.send(PromoteVersion(instance=SIGNAL, number=version.number), OWNER, reason)
        told.promotions.append(outcome.position)
        since = stage.production(SIGNAL, outcome.position).since
        archived = _archived_beside(stage, outcome.position)
        stage.account.line(
            f'  promoted      {version.ref} → production by {since.actor}, "{since.reason}" '
            f"[{since.position}]{archived}"
        )
        predict(stage, told, year)


def _archived_beside(stage: Stage, last: int) -> str:
    """The former version that the same command archived, if there was one."""
    event = stage.event(last)
    if event.action != "model_version.archived":
        return ""
    return f", @{event.resource_id.partition('@')[2]} archived in the same step"


def train_signal(stage: Stage, told: Told, year: int) -> VersionView:
    """Train the signal with everything known when the year before closed; say what it may have seen."""
    as_of = last_close(stage, year - 1)
    last_session = as_of.date()
    done = stage.run(SIGNAL, "training", RESEARCHER, as_of=as_of)
    told.trainings.append(done)
    version = stage.version(SIGNAL, done.model_version)
    rank_ic = version.metrics["rank_ic"]
    low, high = expected_rank_ic(year)
    stage.account.claim(low <= rank_ic <= high, f"rank IC {rank_ic} is outside {low}..{high}")
    stage.account.claim(rank_ic < LEAK_ABOVE, f"rank IC {rank_ic} smells of a leak")
    last_usable = done.facts["last_trainable"]
    stage.account.line(
        f"  {version.ref}   trained as of {last_session} 21:00Z · labels look 5 sessions ahead: "
        f"last usable day {last_usable}"
    )
    stage.account.line(
        f"                rank IC out of sample {rank_ic:.3f} (expected {low:.3f} to {high:.3f}; "
        f"above {LEAK_ABOVE} would mean a leak)"
    )
    return version


def expected_rank_ic(year: int) -> tuple[float, float]:
    """The measured rank IC of docs/scenarios.md, ± max(25 %, 0.01)."""
    measured = {2021: 0.0206, 2022: 0.0187}[year]
    slack = max(0.25 * measured, 0.01)
    return measured - slack, measured + slack


def predict(stage: Stage, told: Told, year: int) -> None:
    """Predict a year with the version in production."""
    done = stage.run(SIGNAL, "inference", RESEARCHER, first=date(year, 1, 1), last=date(year, 12, 31))
    told.predictions.append(done)
    rows = stage.rows(done.output_dataset, done.dataset_version, first=date(year, 1, 1))
    days, entities = rows["date"].n_unique(), rows["entity"].n_unique()
    stage.account.claim(days * entities == rows.height, "a decision day lacks an entity")
    stage.account.claim(
        bool((rows["trained_as_of"] <= rows["knowledge_date"]).all()), "a model saw its own decision"
    )
    stage.account.line(
        f"  predicted     {year}: {days} decision days x {entities} stocks, each known at its own close "
        f"→ {done.output_dataset}@{done.dataset_version}"
    )


def last_close(stage: Stage, year: int) -> datetime:
    """The close of a year's last session."""
    return stage.service.sessions.closes("XNYS", date(year, 12, 1), date(year, 12, 31))[-1][1]


def _roll_back(stage: Stage, told: Told) -> None:
    reason = "rehearsal of a rollback"
    outcome = stage.send(RollbackVersion(instance=SIGNAL), OWNER, reason)
    told.rolled_back = outcome.position
    found = stage.production(SIGNAL, outcome.position)
    stage.account.claim(
        found.how == "rolled_back" and found.number == told.trainings[0].model_version, "rollback"
    )
    stage.account.line(
        f'  rolled back   {found.ref} → production by {found.since.actor}, "{found.since.reason}" '
        f"[{found.since.position}]"
    )
