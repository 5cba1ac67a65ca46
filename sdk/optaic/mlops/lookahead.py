"""Does a feature or predict function look ahead? Cut what was known, change what came later, compare.

`validate_no_lookahead` is the proof; `screen_timestamps` and `screen_rank_ic` are cheap and add evidence
only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import polars as pl

TOLERANCE = 1e-9
CUTS = 4
EARLY_ROWS = 30
NOISE = 0.5
"""Standard deviation of the logarithm of the factor that later values are multiplied by."""
IC_WARN, IC_ERROR = 0.15, 0.3
LOOKAHEAD = "pit.lookahead"
NOT_DETERMINISTIC = "pit.not_deterministic"
NOT_CHECKED = "pit.lookahead_not_checked"
KEY = ("entity", "date")
_UNCHANGED = ("entity", "date", "knowledge_date", "seq", "op")

Mode = Literal["repeat", "truncate", "perturb", "timestamps", "rank_ic"]


class Checked(Protocol):
    """A feature or predict function: rows and the moment as of which it is asked → entity, date, columns."""

    def __call__(self, rows: "pl.DataFrame", as_of: datetime, /) -> "pl.DataFrame":
        """Every output row that these rows allow."""
        ...


class CheckedFrames(Protocol):
    """The same over several inputs by role; the first one's dates are the decisions."""

    def __call__(self, rows: "Mapping[str, pl.DataFrame]", as_of: datetime, /) -> "pl.DataFrame":
        """Every output row that these rows allow."""
        ...


@dataclass(frozen=True)
class Finding:
    """One column that changed: how, at which cut, from which date on, how many rows and by how much."""

    code: str
    severity: Literal["error", "warning"]
    column: str
    mode: Mode
    cut: datetime | None
    first_date: date | None
    count: int
    size: float
    """The largest absolute difference; infinite where a value came or went. For `rank_ic` the mean IC."""
    note: str = ""

    def __str__(self) -> str:
        at = f" at cut {self.cut.isoformat()}" if self.cut else ""
        since = f", first on {self.first_date}" if self.first_date else ""
        note = f": {self.note}" if self.note else ""
        return f"{self.code} {self.column} ({self.mode}{at}): {self.count} rows{since}, {self.size:.3g}{note}"


@dataclass(frozen=True)
class LookaheadReport:
    """What was found, at which cuts, and how often the function was asked."""

    findings: tuple[Finding, ...]
    cuts: tuple[datetime, ...] = ()
    evaluations: int = 0
    rows: int = 0
    """Output rows that had a value and were compared, over all cuts; with 0 nothing was proved."""

    @property
    def ok(self) -> bool:
        """Whether nothing but warnings was found."""
        return all(finding.severity != "error" for finding in self.findings)

    @property
    def deterministic(self) -> bool:
        """Whether the function gave the same twice."""
        return all(finding.code != NOT_DETERMINISTIC for finding in self.findings)

    def __str__(self) -> str:
        lines = [str(finding) for finding in self.findings] or [
            f"no lookahead: {len(self.cuts)} cuts, {self.evaluations} evaluations, {self.rows} rows compared"
        ]
        return "\n".join(lines)


def validate_no_lookahead(
    f: Checked | CheckedFrames,
    rows: "pl.DataFrame | Mapping[str, pl.DataFrame]",
    cuts: Sequence[datetime] | None = None,
    *,
    warm_up: int | None = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> LookaheadReport:
    """Compare `f` over all rows with `f` over what was known at each cut, and with later values changed.

    `rows`: entity, date, knowledge_date Datetime(us, UTC), values; or several such frames by role, where the
    first one's dates count. At a cut c, (a) truncate: `f(rows known at c, c)`; (b) perturb: all rows, those
    known after c multiplied by noise with a fixed seed. Every output row whose date is at or before c, and
    whose date was known at c, must be equal: NaN = NaN = null = no row, numbers within `tolerance` (relative
    above 1). `f` is asked twice over all rows first: one that differs is `pit.not_deterministic` and is not
    cut. Without `cuts` there are four: where the first value stands, inside the first `warm_up` rows (30 if
    it is not given), in the middle, near the end. Where `f` raises at a cut the finding is
    `pit.lookahead_not_checked`. Raises ValueError for rows or cuts without a timezone, or without rows.
    """
    inputs = _by_role(rows)
    ask = _asking(f, rows)
    known = _known_dates(next(iter(inputs.values())))
    end = max(_last_known(frame) for frame in inputs.values())
    full = ask(inputs, end)
    repeated = _differences(full, ask(inputs, end), tolerance)
    if repeated:
        findings = [_finding(NOT_DETERMINISTIC, "repeat", None, one) for one in repeated]
        return LookaheadReport(tuple(findings), (), 2, full.height)
    chosen = sorted(set(_default_cuts(known, full, warm_up) if cuts is None else cuts))
    found: list[Finding] = []
    compared = 0
    for cut in chosen:
        _require_zone(cut)
        expected = _judged(full, known, cut)
        compared += expected.height
        trials: tuple[tuple[Mode, dict[str, pl.DataFrame], datetime], ...] = (
            ("truncate", _truncated(inputs, cut), cut),
            ("perturb", _perturbed(inputs, cut, seed), end),
        )
        for mode, changed, as_of in trials:
            try:
                answer = ask(changed, as_of)
            except Exception as error:
                found.append(_raised(mode, cut, error))
                continue
            differences = _differences(expected, _judged(answer, known, cut), tolerance)
            found.extend(_finding(LOOKAHEAD, mode, cut, one) for one in differences)
    return LookaheadReport(tuple(found), tuple(chosen), 2 + 2 * len(chosen), compared)


def screen_timestamps(rows: "pl.DataFrame", as_of: datetime) -> LookaheadReport:
    """The cheapest screen: no row was known after `as_of`. Evidence, never proof."""
    import polars as pl

    _require_zone(as_of)
    later = _by_role(rows)[""].filter(pl.col("knowledge_date") > as_of)
    if later.is_empty():
        return LookaheadReport((), (as_of,), 0, rows.height)
    first, last = _day(later["date"].min()), later["knowledge_date"].max()
    assert isinstance(last, datetime)
    seconds = (last - as_of).total_seconds()
    note = f"known up to {seconds:g} s after it"
    finding = Finding(
        LOOKAHEAD, "error", "knowledge_date", "timestamps", as_of, first, later.height, seconds, note
    )
    return LookaheadReport((finding,), (as_of,), 0, rows.height)


def screen_rank_ic(
    features: "pl.DataFrame",
    labels: "pl.DataFrame",
    *,
    label: str = "outcome",
    warn: float = IC_WARN,
    error: float = IC_ERROR,
) -> LookaheadReport:
    """Features that know too much: the mean over dates of a feature's rank correlation with the label.

    Both frames have entity and date; dates with fewer than three entities are left out. Beyond `warn` (in
    either direction) a warning, beyond `error` an error. Evidence, never proof.
    """
    import polars as pl

    names = [name for name in features.columns if name not in KEY and features[name].dtype.is_numeric()]
    joined = features.join(labels.select(*KEY, pl.col(label).alias("__label")), on=KEY)
    found: list[Finding] = []
    for name in names:
        pair = joined.select("date", pl.col(name).cast(pl.Float64).fill_nan(None), "__label").drop_nulls()
        daily = (
            pair.group_by("date")
            .agg(pl.corr(name, "__label", method="spearman").alias("ic"), pl.len().alias("entities"))
            .filter(pl.col("entities") > 2)  # noqa: PLR2004  # two ranks always correlate fully
            .with_columns(pl.col("ic").fill_nan(None))
            .drop_nulls("ic")
        )
        mean = daily["ic"].mean()
        if not isinstance(mean, float) or abs(mean) <= warn:
            continue
        severity = "error" if abs(mean) > error else "warning"
        first = _day(daily["date"].min())
        note = "mean rank IC with the label, too good to be true"
        found.append(Finding(LOOKAHEAD, severity, name, "rank_ic", None, first, daily.height, mean, note))
    return LookaheadReport(tuple(found), (), 0, joined.height)


# --- cuts ---


def _default_cuts(known: "pl.DataFrame", full: "pl.DataFrame", warm_up: int | None) -> list[datetime]:
    """Where the first value stands, inside the warm-up, in the middle, near the end."""
    import polars as pl

    moments = known["known"].unique().sort()
    count = moments.len()
    inside = min(EARLY_ROWS, count // 4) if warm_up is None else warm_up // 2
    at = [inside, count // 2, count - 1 - max(1, round(count * 0.03))]
    cuts = [moments[min(max(place, 0), count - 1)] for place in at]
    valued = _with_values(full)["date"].min()
    first = known.filter(pl.col("date").eq_missing(valued))  # no date where nothing has a value
    return cuts if first.is_empty() else [first["known"][0], *cuts]


def _known_dates(rows: "pl.DataFrame") -> "pl.DataFrame":
    """When each date of the first input was first known: date, known."""
    import polars as pl

    return rows.group_by("date").agg(pl.col("knowledge_date").min().alias("known"))


def _last_known(rows: "pl.DataFrame") -> datetime:
    if rows.is_empty():
        raise ValueError("there are no rows to check on")
    moment = rows["knowledge_date"].max()
    assert isinstance(moment, datetime)
    return moment


def _truncated(inputs: "Mapping[str, pl.DataFrame]", cut: datetime) -> "dict[str, pl.DataFrame]":
    import polars as pl

    return {role: frame.filter(pl.col("knowledge_date") <= cut) for role, frame in inputs.items()}


def _perturbed(inputs: "Mapping[str, pl.DataFrame]", cut: datetime, seed: int) -> "dict[str, pl.DataFrame]":
    """Later values multiplied by positive noise, whole numbers rounded; what is no number stays as it is."""
    import numpy as np
    import polars as pl
    from polars import selectors as cs

    random = np.random.default_rng(seed)
    changed: dict[str, pl.DataFrame] = {}
    for role, frame in inputs.items():
        later = pl.col("knowledge_date") > cut
        columns: list[pl.Expr] = []
        for name in frame.select(cs.numeric().exclude(*_UNCHANGED)).columns:
            noisy = pl.col(name) * pl.Series("noise", np.exp(random.normal(0, NOISE, frame.height)))
            whole = noisy.round() if frame[name].dtype.is_integer() else noisy
            columns.append(
                pl.when(later)
                .then(whole.cast(frame[name].dtype, strict=False))
                .otherwise(pl.col(name))
                .alias(name)
            )
        changed[role] = frame.with_columns(columns)
    return changed


# --- comparing ---


@dataclass(frozen=True)
class _Difference:
    column: str
    first_date: date | None
    count: int
    size: float


def _judged(output: "pl.DataFrame", known: "pl.DataFrame", cut: datetime) -> "pl.DataFrame":
    """Output rows with values whose date is at or before the cut and, where it is a date of the input, was
    known then.
    """
    import polars as pl

    unknown = known.filter(pl.col("known") > cut)
    past = output.filter(pl.col("date") <= cut.date()).join(unknown, on="date", how="anti")
    return _with_values(past)


def _with_values(output: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl
    from polars import selectors as cs

    clean = output.with_columns(cs.float().fill_nan(None))
    names = [name for name in clean.columns if name not in KEY]
    return clean.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in names)) if names else clean


def _differences(left: "pl.DataFrame", right: "pl.DataFrame", tolerance: float) -> list[_Difference]:
    """Column by column, over the keys of both; a row that is missing has nulls."""
    import polars as pl

    left, right = _with_values(left), _with_values(right)
    names = [name for name in left.columns if name not in KEY]
    others = [name for name in right.columns if name not in KEY]
    if sorted(names) != sorted(others):
        if left.is_empty() and right.is_empty():
            return []
        odd = min(set(names) ^ set(others))
        return [_Difference(odd, _day(left["date"].min()), left.height, float("inf"))]
    keyed = [frame.with_columns(pl.int_range(pl.len()).over(KEY).alias("__n")) for frame in (left, right)]
    both = keyed[0].join(keyed[1], on=[*KEY, "__n"], how="full", coalesce=True, suffix="__other")
    found = [_difference(both, name, tolerance) for name in names]
    return [one for one in found if one is not None]


def _difference(both: "pl.DataFrame", name: str, tolerance: float) -> _Difference | None:
    import polars as pl

    here, there = pl.col(name), pl.col(f"{name}__other")
    apart = both.filter(~here.eq_missing(there)).sort("date")
    if apart.is_empty():
        return None
    gap: pl.Expr = pl.lit(float("inf"))
    if both[name].dtype.is_numeric() and both[f"{name}__other"].dtype.is_numeric():
        here, there = here.cast(pl.Float64), there.cast(pl.Float64)
        gap = (here - there).abs().fill_nan(float("inf")).fill_null(float("inf"))
        largest = both[name].cast(pl.Float64).abs().max()
        unit = min(1.0, largest) if isinstance(largest, float) and largest > 0 else 1.0
        allowed = tolerance * pl.max_horizontal(pl.lit(unit), here.abs())
        apart = apart.filter((gap > allowed) | gap.is_infinite())
    if apart.is_empty():
        return None
    size = apart.select(gap.max()).item()
    return _Difference(name, _day(apart["date"][0]), apart.height, float(size))


def _finding(code: str, mode: Mode, cut: datetime | None, one: _Difference) -> Finding:
    return Finding(code, "error", one.column, mode, cut, one.first_date, one.count, one.size)


def _raised(mode: Mode, cut: datetime, error: Exception) -> Finding:
    note = f"raises {type(error).__name__}: {str(error)[:200]}"
    return Finding(NOT_CHECKED, "error", "*", mode, cut, None, 0, float("nan"), note)


# --- inputs ---


def _by_role(rows: "pl.DataFrame | Mapping[str, pl.DataFrame]") -> "dict[str, pl.DataFrame]":
    import polars as pl

    inputs = {"": rows} if isinstance(rows, pl.DataFrame) else dict(rows)
    if not inputs:
        raise ValueError("there are no rows to check on")
    for role, frame in inputs.items():
        kind = frame.schema.get("knowledge_date")
        if not isinstance(kind, pl.Datetime) or kind.time_zone is None:
            raise ValueError(f"{role or 'rows'}: knowledge_date needs a timezone (pit.naive_timestamp)")
    return inputs


def _asking(f: Checked | CheckedFrames, rows: object) -> "CheckedFrames":
    """The function over frames by role, whichever form it has."""
    import polars as pl

    alone = isinstance(rows, pl.DataFrame)

    def ask(inputs: "Mapping[str, pl.DataFrame]", as_of: datetime) -> "pl.DataFrame":
        return f(inputs[""] if alone else inputs, as_of)  # pyright: ignore[reportArgumentType]  # its form is the rows' form

    return ask


def _require_zone(moment: datetime) -> None:
    if moment.utcoffset() is None:
        raise ValueError(f"{moment.isoformat()} names no moment without a timezone (pit.naive_timestamp)")


def _day(value: object) -> date | None:
    return value if isinstance(value, date) else None
