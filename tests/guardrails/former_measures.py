"""The comparing measures as plain joins on (date, entity): what the fast ones are held against."""

import polars as pl

from application.ports import MeasuredRun
from domain.guardrails import filter_subset, model_stability, signal_coverage
from infrastructure.guardrail_measures.figures import Figures, first_keys, is_number, is_valued
from infrastructure.guardrail_measures.universe import members

KEY = ["date", "entity"]


def subset(config: filter_subset.Config, output: pl.DataFrame, run: MeasuredRun) -> Figures:
    rows = run.inputs[config.role].rows()
    shared = [name for name in config.columns if name in rows.columns and name in output.columns]
    wanted = rows.select(*KEY, *(pl.col(name).alias(f"_{name}") for name in shared), _there=True)
    joined = output.join(
        wanted.unique(KEY, keep="first", maintain_order=True), on=KEY, how="left", maintain_order="left"
    )
    twice = output.select(pl.struct(KEY).is_duplicated()).to_series()
    foreign = pl.col("_there").is_null()
    changed = pl.any_horizontal(
        pl.lit(value=len(shared) < len(config.columns)),
        *(pl.col(name).ne_missing(pl.col(f"_{name}")) for name in shared),
    )
    marked = joined.select(*KEY, _foreign=foreign, _changed=changed & ~foreign).with_columns(_twice=twice)
    broken = marked.filter(pl.col("_foreign") | pl.col("_changed") | pl.col("_twice")).select(KEY)
    observed = {
        "foreign_keys": float(marked["_foreign"].sum()),
        "changed_values": float(marked["_changed"].sum()),
        "repeated_keys": float(marked["_twice"].sum()),
        "dates_of_another_count": 0.0,
    }
    return Figures(broken.height, observed, first_keys(broken))


def covered(config: signal_coverage.Config, frame: pl.DataFrame, run: MeasuredRun) -> Figures:
    assert config.universe is not None
    assert run.decisions is not None
    revisions = run.inputs[config.universe].revisions
    assert revisions is not None
    wanted = members(revisions(), run.decisions).with_columns(pl.col("entity").cast(pl.String))
    there = frame
    if config.column is not None:
        there = (
            frame.filter(is_valued(frame, config.column)) if config.column in frame.columns else frame.clear()
        )
    missing = wanted.join(there, on=KEY, how="anti")
    dates = pl.DataFrame({"date": list(run.decisions)}, schema={"date": pl.Date()})
    for name, rows in (("expected", wanted), ("absent", missing)):
        dates = dates.join(rows.group_by("date").len(name), on="date", how="left")
    dates = dates.with_columns(pl.col("expected", "absent").fill_null(0).cast(pl.Int64))
    needed = (pl.col("expected") * config.at_least - 1e-9).ceil().clip(lower_bound=1)
    short = dates.filter(pl.col("expected") - pl.col("absent") < needed)
    observed = {"dates": float(dates.height), "expected": float(dates["expected"].sum())}
    observed["missing"] = float(missing.height)
    always = wanted.group_by("entity").len("decisions")["decisions"].to_list()
    if len(run.decisions) > 1 and always and min(always) == len(run.decisions):
        observed["universe_unchanged"] = 1.0
    observed["outside_the_universe"] = float(there.join(wanted, on=KEY, how="anti").height)
    return Figures(short.height, observed, first_keys(missing.join(short, on="date", how="semi")))


def stability(config: model_stability.Config, output: pl.DataFrame, run: MeasuredRun) -> Figures:
    assert config.reference is not None
    ours, theirs = (
        frame.select(*KEY, config.column).filter(is_number(config.column)).unique(KEY, keep="none")
        for frame in (output, run.inputs[config.reference].rows())
    )
    pairs = ours.join(theirs, on=KEY, suffix="_reference")
    each = pairs.group_by("date").agg(
        _n=pl.len(), _corr=pl.corr(config.column, f"{config.column}_reference", method="spearman")
    )
    usable = each.filter((pl.col("_n") >= 2) & pl.col("_corr").is_finite())
    value = usable.sort("date")["_corr"].mean()
    observed = {"shared": float(pairs.height), "dates": float(usable.height)}
    if not isinstance(value, float):
        return Figures(1, observed)
    return Figures(int(value < config.at_least), observed | {"rank_correlation": value})
