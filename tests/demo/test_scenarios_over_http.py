"""The five scenarios in one fold each, over HTTP, on the demonstration's data and published definitions.

Counted are nodes and edges upstream of each scenario's monitoring, as docs/scenarios.md says; and the run
that combines in-sample predictions is refused.
"""

import io
import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import polars as pl
import pytest

from tests.demo.conftest import serving

pytestmark = pytest.mark.timeout(900)
WAIT_S = 300
PRICES = {"dataset": "us-prices", "role": "prices"}
INDEX = {"dataset": "us-index", "role": "index"}
DECISIONS = {"calendar": "XNYS", "horizon": 5, "feature_lag": 1}
STACKED = {"calendar": "XNYS", "horizon": 5, "feature_lag": 0, "max_age": 1}


class Scenarios:
    """A client of one service, and the steps of a model's life."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._client.post(path, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def upload(self, name: str, rows: pl.DataFrame) -> None:
        content = io.BytesIO()
        rows.write_parquet(content)
        headers = {"Content-Type": "application/vnd.apache.parquet"}
        path = f"/datasets/{name}/versions?backfill=true"
        answer = self._client.post(path, content=content.getvalue(), headers=headers)
        assert answer.status_code == 201, answer.text

    def rows(self, dataset: str) -> pl.DataFrame:
        headers = {"Accept": "application/vnd.apache.arrow.stream"}
        return pl.read_ipc_stream(self._client.get(f"/datasets/{dataset}/rows", headers=headers).content)

    def instance(self, name: str, definition: str, config: dict[str, Any], training: list[Any], **more: Any):
        body = {"name": name, "definition": f"{definition}@1.0.0", "config": config}
        self.post("/instances", body | {"training_datasets": training} | more)

    def run(self, instance: str, state: str = "completed", **told: Any) -> dict[str, Any]:
        run = self.post(f"/instances/{instance}/runs?wait={WAIT_S}", told)["run"]
        assert run["state"] == state, run["error"]
        return run

    def one_fold(self, instance: str, as_of: str, first: str, last: str) -> None:
        """Train, promote, predict."""
        trained = self.run(instance, kind="training", as_of=as_of)
        self.post(f"/versions/{instance}@{trained['model_version']}/promote", {"reason": "one fold"})
        self.run(instance, kind="inference", first=first, last=last)

    def monitored(self, instance: str) -> dict[str, Any]:
        return self.run(instance, kind="monitoring")

    def upstream(self, node: str) -> tuple[int, int, set[str]]:
        """How many nodes and edges a node comes from, itself counted, and which nodes.

        Counted as the scenarios count: without `extends`, and without the edge that names the model whose
        predictions a monitoring judges.
        """
        found = self._client.get(f"/lineage/{node}?direction=up").json()
        judges = [
            edge
            for edge in found["edges"]
            if edge["source"].startswith("model_version:") and edge["target"].startswith("monitoring_run:")
        ]
        edges = len(found["edges"]) - found["extends"] - len(judges)
        return len(found["nodes"]), edges, {one["node"] for one in found["nodes"]}


@pytest.fixture(scope="module")
def scenarios(played, tmp_path_factory) -> Iterator[Scenarios]:
    data = tmp_path_factory.mktemp("scenarios") / "data"
    shutil.copytree(played.data, data)
    with (
        serving(data) as address,
        httpx.Client(base_url=f"{address}/api/v1", timeout=WAIT_S + 30) as client,
    ):
        yield Scenarios(client)


@pytest.fixture(scope="module")
def chain(scenarios: Scenarios) -> dict[str, dict[str, Any]]:
    """Scenarios 1, 4 and 5, one fold each: instance → its monitoring run."""
    only_prices = {"outcome_dataset": "us-prices"}
    scenarios.instance("one-alpha", "xgb-signal", DECISIONS, [PRICES, INDEX], **only_prices)
    scenarios.instance("one-rules", "rule-signals", DECISIONS, [PRICES], **only_prices)
    for name in ("one-alpha", "one-rules"):
        scenarios.one_fold(name, "2014-12-31T21:00:00Z", "2015-01-01", "2022-12-31")
    inputs = [
        {"dataset": "one-alpha-predictions", "role": "learned"},
        {"dataset": "one-rules-predictions", "role": "rules"},
    ]
    scenarios.instance(
        "one-blend", "nnls-combiner", STACKED, [*inputs, PRICES], inference_datasets=inputs, **only_prices
    )
    scenarios.one_fold("one-blend", "2017-12-29T21:00:00Z", "2018-01-01", "2022-12-31")
    signals = {"dataset": "one-blend-predictions", "role": "signals"}
    scenarios.instance("one-picks", "ranker-filter", STACKED, [signals, PRICES, INDEX], **only_prices)
    scenarios.one_fold("one-picks", "2020-12-31T21:00:00Z", "2021-01-01", "2022-12-31")
    return {name: scenarios.monitored(name) for name in ("one-alpha", "one-blend", "one-picks")}


@pytest.mark.parametrize(
    ("instance", "nodes", "edges"), [("one-alpha", 7, 9), ("one-blend", 15, 22), ("one-picks", 20, 33)]
)
def test_the_lineage_of_the_chain_has_the_counts_of_the_scenario(
    scenarios: Scenarios, chain: dict[str, dict[str, Any]], instance: str, nodes: int, edges: int
):
    """The combination is monitored on its own: the picks' way back does not pass its monitoring."""
    found = scenarios.upstream(chain[instance]["node"])
    beside = (1, 2) if instance == "one-picks" else (0, 0)
    assert (found[0] + beside[0], found[1] + beside[1]) == (nodes, edges)


def test_the_picks_come_from_the_prices_through_three_models(
    scenarios: Scenarios, chain: dict[str, dict[str, Any]]
):
    reached = scenarios.upstream(chain["one-picks"]["node"])[2]
    models = {f"model_version:one-{name}@1" for name in ("alpha", "rules", "blend", "picks")}
    assert models | {"dataset_version:us-prices@1", "dataset_version:us-index@1"} <= reached


def test_the_picks_are_ten_of_the_twenty_signals_a_date_as_they_were(
    scenarios: Scenarios, chain: dict[str, dict[str, Any]]
):
    kept, given = scenarios.rows("one-picks-predictions"), scenarios.rows("one-blend-predictions")
    assert set(kept.group_by("date").len()["len"]) == {10}
    joined = kept.join(given, on=["date", "entity"], suffix="_given")
    assert joined.height == kept.height == 1_000
    assert joined["signal"].equals(joined["signal_given"], check_names=False)


def test_combining_what_a_model_says_of_its_own_training_rows_is_refused(
    scenarios: Scenarios, chain: dict[str, dict[str, Any]]
):
    """The same signals, but said to be of a model that was trained at the end of them."""
    rows = scenarios.rows("one-alpha-predictions")
    seen = pl.col("knowledge_date").max().alias("trained_as_of")
    columns = [{"name": "signal", "type": "float64"}, {"name": "trained_as_of", "type": "timestamp"}]
    declared = {"columns": columns, "calendar": "XNYS", "knowledge_rule": "The close of each decision."}
    scenarios.post("/datasets", {"name": "in-sample", "declaration": declared})
    scenarios.upload("in-sample", rows.select("entity", "date", "knowledge_date", "signal", seen))
    inputs = [
        {"dataset": "in-sample", "role": "learned"},
        {"dataset": "one-rules-predictions", "role": "rules"},
    ]
    scenarios.instance(
        "in-sample-blend", "nnls-combiner", STACKED, [*inputs, PRICES], inference_datasets=inputs
    )
    failed = scenarios.run("in-sample-blend", "failed", kind="training", as_of="2022-12-28T21:00:00Z")
    assert failed["error"]["code"] == "pit.train_after_predict"
    assert failed["model_version"] is None


def test_the_relevance_has_the_lineage_of_the_scenario_and_noise_last(scenarios: Scenarios):
    scenarios.instance(
        "one-drivers", "feature-relevance", DECISIONS, [PRICES, INDEX], outcome_dataset="us-prices"
    )
    scenarios.one_fold("one-drivers", "2014-12-31T21:00:00Z", "2015-01-01", "2015-12-31")
    assert scenarios.upstream(scenarios.monitored("one-drivers")["node"])[:2] == (7, 9)
    rows = scenarios.rows("one-drivers-predictions")
    assert set(rows.filter(pl.col("rank") == 12)["entity"]) == {"noise"}


def test_the_regimes_have_the_lineage_of_the_scenario(scenarios: Scenarios):
    """The recessions judge, the training's walk-forward too: an edge more than in the scenario."""
    config = {"feature_lag": 0, "horizon": 0}
    macro = {"dataset": "us-macro-q", "role": "macro"}
    scenarios.instance("one-regime", "gmm-regime", config, [macro], outcome_dataset="us-recessions")
    scenarios.one_fold("one-regime", "1999-12-31T00:00:00Z", "2000-01-01", "2009-09-30")
    nodes, edges, _ = scenarios.upstream(scenarios.monitored("one-regime")["node"])
    assert (nodes, edges) == (7, 8)
