"""`definition new` writes something that works in each category, from its own tests to its predictions."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import good, here
from tests.cli.test_embedded_service import stop

CATEGORIES = ("signal", "macro_regime", "relevance", "signal_combining", "signal_filtering")
AS_OF = "2022-06-01T00:00:00Z"
LATER = "2022-07-01T00:00:00Z"
DATA = {
    "signal": ("prices=prices",),
    "macro_regime": ("macro=macro",),
    "relevance": ("prices=prices",),
    "signal_combining": ("first=first", "second=second", "prices=prices"),
    "signal_filtering": ("signals=first", "prices=prices"),
}
LAGLESS = ("signal_combining", "signal_filtering")
"""Their inputs are signals, which have a lag of their own."""
CONTRACTS = {
    "signal": "signal.bounds",
    "macro_regime": "regime.probabilities",
    "relevance": "relevance.scores",
    "signal_combining": "signal.bounds",
    "signal_filtering": "filter.subset",
}


ROWS = {"signal": 8, "macro_regime": 1, "relevance": 3, "signal_combining": 8, "signal_filtering": 4}
"""Rows of a decision: entities, the series, features, entities, what is kept."""
KEY_METRIC = {
    "signal": "rank_ic",
    "macro_regime": "log_loss",
    "relevance": "half_stability",
    "signal_combining": "rank_ic",
    "signal_filtering": "kept_bps",
}
"""A relevance's outcome, by feature, is measured in training; a monitoring run does not know it yet."""


def named(category: str) -> str:
    return f"my-{category.replace('_', '-')}"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running service with made-up prices, signals and a series."""
    folder = tmp_path_factory.mktemp("categories") / "data"
    for name, column, entities in (
        ("prices", "close", 8),
        ("first", "signal", 8),
        ("second", "signal", 8),
        ("macro", "level", 1),
    ):
        good("dataset", "create", name, "--column", f"{column}:float64", data=folder)
        rows = folder.parent / f"{name}.csv"
        rows.write_text(written(column, entities))
        good("dataset", "write", name, str(rows), "--backfill", data=folder)
    yield folder
    stop(folder)


def written(column: str, entities: int) -> str:
    """Random walks, or signals in [-1, 1], on 600 days."""
    draw = random.Random(f"{column}{entities}")
    level = [50.0] * entities
    lines = [f"entity,date,knowledge_date,{column}"]
    for day in (date(2021, 1, 1) + timedelta(days=n) for n in range(600)):
        for n in range(entities):
            level[n] *= 1 + draw.gauss(0, 0.01)
            value = draw.uniform(-1, 1) if column == "signal" else level[n]
            entity = f"e{n}" if entities > 1 else ""
            lines.append(f"{entity},{day},{day}T21:00:00Z,{value:.6f}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_new_definition_of_each_category_passes_lives_and_keeps_its_contract(
    data: Path, tmp_path: Path, category: str
):
    name, instance = named(category), f"one-{category.replace('_', '-')}"
    folder = tmp_path / name
    good("definition", "new", name, "--category", category, "--folder", str(folder))
    assert good("definition", "check", str(folder)).out.startswith(f"{name}@0.1.0: {category}")
    submitted = good("definition", "submit", str(folder), "--publish", "--json", data=data).json()
    checks = {one["name"]: one for one in submitted["definition"]["evaluation"]["checks"]}
    assert checks["lookahead"]["detail"].startswith("no lookahead on"), checks
    assert checks["determinism"]["detail"].startswith("trained twice on"), checks
    assert sum(one["seconds"] for one in checks.values()) < 15, checks
    inputs = [part for one in DATA[category] for part in ("--dataset", one)]
    config = '{"horizon": 5, "feature_lag": 0}' if category in LAGLESS else '{"horizon": 5}'
    ref = ("--definition", f"{name}@0.1.0", "--config", config)
    good("instance", "create", instance, *ref, *inputs, data=data)
    assert completed(data, "train", instance, "--as-of", AS_OF)["metrics"]
    good("version", "promote", f"{instance}@1", "--reason", "first", data=data)
    inferred = completed(
        data, "infer", instance, "--from", "2022-06-02", "--to", "2022-06-30", "--as-of", LATER
    )
    rows = good("dataset", "read", f"{instance}-predictions", data=data).out.splitlines()[1:]
    assert len(rows) == ROWS[category] * inferred["facts"]["decisions"]
    (kept,) = good("log", "tail", "-n", "1", "--action", "guardrail.evaluated", "--json", data=data).json()
    report = kept["payload"]["report"]
    assert (report["gate"], report["enforced_as"]) == ("run_complete", "passed")
    assert CONTRACTS[category] in {contract.partition("#")[0] for contract in report["contracts"]}
    monitored = completed(data, "monitor", instance, "--as-of", LATER)["metrics"]
    assert KEY_METRIC[category] in monitored
    rules = good("definition", "show", f"{name}@0.1.0", "--json", data=data).json()["manifest"]["alerts"]
    assert len(rules) == 2
    assert {rule["metric"] for rule in rules} <= set(monitored)


def completed(data: Path, *command: str) -> Any:
    run = good(*command, "--wait", "--json", data=data).json()
    run = run.get("run", run)
    assert run["state"] == "completed", run
    return run


def test_a_definition_with_a_failing_test_fails_here_too(tmp_path: Path):
    folder = tmp_path / "my-signal"
    here("definition", "new", "my-signal", "--folder", str(folder))
    (folder / "tests" / "test_model.py").write_text("def test_no():\n    assert False\n")
    ran = here("definition", "test", str(folder))
    assert ran.code == 1
    assert "tests\tno" in ran.out


def test_what_cannot_be_written_is_refused(tmp_path: Path):
    assert here("definition", "new", "My Signal").err.startswith("definition.name_malformed")
    assert here("definition", "new", "aa", "--category", "weather").err.startswith(
        "definition.template_missing"
    )
    taken = here("definition", "new", "aa", "--folder", str(tmp_path))
    assert (taken.code, taken.err.partition(":")[0]) == (1, "definition.folder_taken")
