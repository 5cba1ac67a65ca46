"""Asks every query of the read side and compares the answers with the oracle's."""

import re
from collections.abc import Callable
from typing import Any

from application.queries import (
    ActivityFilter,
    AlertFilter,
    DatasetFilter,
    DefinitionFilter,
    InstanceFilter,
    MetricFilter,
    Paging,
    Queries,
    RunFilter,
    VersionFilter,
)
from application.views import Page
from domain.shared.activity import StreamKey
from domain.shared.references import NodeRef
from domain.shared.times import LogMoment
from tests.projections.support.oracle import Model, plain, time_of

_HASH_OF_KEY = re.compile(rb'"secret_sha256":"[0-9a-f]{64}",')
"""The one thing of a payload that no answer shows."""


def everything(ask: Callable[[Paging], Page[Any]], limit: int, position: int) -> list[Any]:
    """All items of a list, page by page; every page is of the same position."""
    items: list[Any] = []
    cursor = None
    while True:
        page = ask(Paging(limit=limit, cursor=cursor))
        assert page.position == position
        assert len(page.items) <= limit
        items += page.items
        if page.next_cursor is None:
            return plain(items)
        cursor = page.next_cursor


class Comparison:
    """One tenant at one position."""

    def __init__(self, queries: Queries, model: Model, position: int, limit: int = 3) -> None:
        self.queries = queries
        self.model = model
        self.tenant = model.tenant
        self.at = LogMoment(position)
        self.limit = limit

    def all(self) -> None:
        self.definitions()
        self.instances()
        self.runs()
        self.versions()
        self.datasets()
        self.lineage()
        self.impact()
        self.alerts()
        self.monitoring()
        self.activity()
        self.search()

    def pages(self, ask: Callable[..., Page[Any]], filters: Any) -> list[Any]:
        return everything(
            lambda paging: ask(self.tenant, filters, paging, self.at), self.limit, self.at.position
        )

    def stream(self, kind: str, name: str) -> int:
        return self.model.streams[str(StreamKey(kind, name).id(self.tenant))]

    # --- definitions ---

    def definitions(self) -> None:
        model, ask = self.model, self.queries.definitions
        wanted = {
            key: {
                "name": key[0],
                "version": key[1],
                "ref": f"{key[0]}@{key[1]}",
                "stream_version": self.stream("ml_module_def", key[0]),
            }
            | {name: value for name, value in row.items() if name != "first"}
            for key, row in sorted(model.definitions.items(), key=lambda each: (each[0][0], each[1]["first"]))
        }
        assert self.pages(ask, DefinitionFilter()) == list(wanted.values())
        for field in ("state", "category", "name"):
            for value in {row[field] for row in wanted.values()}:
                expected = [row for row in wanted.values() if row[field] == value]
                assert self.pages(ask, DefinitionFilter(**{field: value})) == expected
        for (name, version), row in wanted.items():
            assert plain(self.queries.definition(self.tenant, name, version, self.at)) == row
        assert self.queries.definition(self.tenant, "nobody", "1.0.0", self.at) is None

    # --- instances ---

    def instances(self) -> None:
        model, ask = self.model, self.queries.instances
        wanted = {name: self.instance(name) for name in sorted(model.instances)}
        assert self.pages(ask, InstanceFilter()) == list(wanted.values())
        for value in ("pending", "training", "ready", "error", "archived"):
            expected = [row for row in wanted.values() if row["state"] == value]
            assert self.pages(ask, InstanceFilter(state=value)) == expected
        for field in ("space", "owner"):
            for value in {row["specification"][field] for row in wanted.values()}:
                expected = [row for row in wanted.values() if row["specification"][field] == value]
                assert self.pages(ask, InstanceFilter(**{field: value})) == expected
        for ref in {tuple(row["definition"].values()) for row in wanted.values()}:
            expected = [row for row in wanted.values() if tuple(row["definition"].values()) == ref]
            assert self.pages(ask, InstanceFilter(definition="@".join(ref))) == expected
        for name, row in wanted.items():
            assert plain(self.queries.instance(self.tenant, name, self.at)) == row
        assert self.queries.instance(self.tenant, "nobody", self.at) is None

    def instance(self, name: str) -> dict[str, Any]:
        row = self.model.instances[name]
        runs = [run for run in self.model.runs.values() if run["instance"] == name]
        brief = None
        if runs:
            last = runs[-1]
            brief = {field: last[field] for field in ("id", "kind", "instance", "state")} | {
                "submitted_at": last["submitted"]["at"],
                "started_at": last["started"] and last["started"]["act"]["at"],
                "ended_at": last["ended"] and last["ended"]["at"],
            }
        return {field: value for field, value in row.items() if field != "last_ended_training"} | {
            "name": name,
            "state": self.model.instance_state(name),
            "definition": row["specification"]["definition"],
            "versions": sum(key[0] == name for key in self.model.versions),
            "runs": len(runs),
            "last_run": brief,
            "stream_version": self.stream("model_instance", name),
        }

    # --- runs ---

    def runs(self) -> None:
        model, ask = self.model, self.queries.runs
        newest = [self.run(run) for run in reversed(model.runs.values())]
        assert self.pages(ask, RunFilter()) == newest
        assert self.pages(ask, RunFilter(sort="submitted")) == newest[::-1]
        for field in ("instance", "kind", "state"):
            for value in {run[field] for run in newest}:
                expected = [run for run in newest if run[field] == value]
                assert self.pages(ask, RunFilter(**{field: value})) == expected
        self.runs_by_metric(newest)
        for run in newest:
            assert plain(self.queries.run(self.tenant, run["id"], self.at)) == run
            points = sorted(model.points[run["id"]], key=lambda p: (p["name"], p["step"], p["position"]))
            assert plain(self.queries.metric_series(self.tenant, run["id"], (), self.at)) == points
            some = [point for point in points if point["name"] == "loss"]
            assert plain(self.queries.metric_series(self.tenant, run["id"], ("loss",), self.at)) == some
        self.compared(newest[:3])

    def run(self, run: dict[str, Any]) -> dict[str, Any]:
        node = f"{run['kind']}_run:{run['id']}"
        return run | {"node": node, "stream_version": self.stream("run", run["id"])}

    def runs_by_metric(self, newest: list[Any]) -> None:
        ask = self.queries.runs
        have = [run for run in newest if "rank_ic" in run["metrics"]]
        lack = [run for run in newest if "rank_ic" not in run["metrics"]]
        for sort, sign in (("metric.rank_ic", 1), ("-metric.rank_ic", -1)):
            ordered = sorted(have, key=lambda run: sign * run["metrics"]["rank_ic"])
            assert self.pages(ask, RunFilter(sort=sort)) == ordered + lack
        bound = MetricFilter.parse("rank_ic", "gt:0.02")
        expected = [run for run in have if run["metrics"]["rank_ic"] > 0.02]
        assert self.pages(ask, RunFilter(metrics=(bound,))) == expected

    def compared(self, runs: list[Any]) -> None:
        ids = tuple(run["id"] for run in runs)
        answer = plain(self.queries.compare_runs(self.tenant, (*ids, "unknown"), self.at))
        assert answer["runs"] == runs
        names = sorted({name for run in runs for name in run["metrics"]})
        values = [[run["metrics"].get(name) for run in runs] for name in names]
        assert [row["name"] for row in answer["metrics"]] == names
        assert [row["values"] for row in answer["metrics"]] == values
        parameters = {name for run in runs for name in run["config"]["hyper_parameters"]}
        differing = [
            name
            for name in sorted(parameters)
            if len({run["config"]["hyper_parameters"].get(name) for run in runs}) > 1
        ]
        assert [row["name"] for row in answer["parameters"]] == differing

    # --- versions ---

    def versions(self) -> None:
        model, ask = self.model, self.queries.versions
        wanted = {
            key: row
            | {
                "ref": f"{key[0]}@{key[1]}",
                "stream_version": self.stream("model_version", f"{key[0]}@{key[1]}"),
            }
            for key, row in sorted(model.versions.items(), key=lambda each: (each[0][0], -each[0][1]))
        }
        assert self.pages(ask, VersionFilter()) == list(wanted.values())
        for field in ("instance", "stage"):
            for value in {row[field] for row in wanted.values()}:
                expected = [row for row in wanted.values() if row[field] == value]
                assert self.pages(ask, VersionFilter(**{field: value})) == expected
        for (instance, number), row in wanted.items():
            assert plain(self.queries.version(self.tenant, instance, number, self.at)) == row
        for instance in model.instances:
            self.production(instance)
        for target, reports in model.gates.items():
            assert plain(self.queries.gate_reports(self.tenant, target, self.at)) == reports

    def production(self, instance: str) -> None:
        periods = [
            period | {"instance": instance, "ref": f"{instance}@{period['number']}"}
            for period in self.model.production[instance]
        ]
        assert plain(self.queries.production_history(self.tenant, instance, self.at)) == periods
        present = periods[-1] if periods and periods[-1]["until"] is None else None
        assert plain(self.queries.production_at(self.tenant, instance, self.at)) == present

    # --- datasets ---

    def datasets(self) -> None:
        model, ask = self.model, self.queries.datasets
        wanted = {
            name: row
            | {
                "name": name,
                "newest": model.newest(name),
                "versions": sum(key[0] == name for key in model.dataset_versions),
                "stream_version": self.stream("dataset", name),
            }
            for name, row in sorted(model.datasets.items())
        }
        assert self.pages(ask, DatasetFilter()) == list(wanted.values())
        for field in ("kind", "instance"):
            for value in {row[field] for row in wanted.values()} - {None}:
                expected = [row for row in wanted.values() if row[field] == value]
                assert self.pages(ask, DatasetFilter(**{field: value})) == expected
        for name, row in wanted.items():
            assert plain(self.queries.dataset(self.tenant, name, self.at)) == row
            self.dataset_versions(name)

    def dataset_versions(self, name: str) -> None:
        wanted = [
            row
            | {
                "dataset": name,
                "number": number,
                "ref": f"{name}@{number}",
                "stream_version": self.stream("dataset", name),
            }
            for (owner, number), row in sorted(self.model.dataset_versions.items(), reverse=True)
            if owner == name
        ]
        assert self.pages(self.queries.dataset_versions, name) == wanted
        for row in wanted:
            assert plain(self.queries.dataset_version(self.tenant, name, row["number"], self.at)) == row
        newest = next((row for row in wanted if row["number"] == self.model.newest(name)), None)
        assert plain(self.queries.newest_dataset_version(self.tenant, name, self.at)) == newest

    # --- alerts and monitoring ---

    def alerts(self) -> None:
        ask = self.queries.alerts
        wanted = [self.alert(row) for row in self.model.alerts.values()]
        wanted.sort(key=lambda row: -row["raised"]["position"])
        assert self.pages(ask, AlertFilter()) == wanted
        for field in ("instance", "state", "severity"):
            for value in {row[field] for row in wanted}:
                expected = [row for row in wanted if row[field] == value]
                assert self.pages(ask, AlertFilter(**{field: value})) == expected
        assert self.pages(ask, AlertFilter(state="open")) == [r for r in wanted if r["state"] != "resolved"]
        assert self.pages(ask, AlertFilter(rule="drift")) == [r for r in wanted if r["rule_name"] == "drift"]
        for row in wanted:
            assert plain(self.queries.alert(self.tenant, row["id"], self.at)) == row
        assert self.queries.alert(self.tenant, "nobody-1", self.at) is None

    def alert(self, row: dict[str, Any]) -> dict[str, Any]:
        return row | {"stream_version": self.stream("alert", row["id"].partition("-")[0])}

    def monitoring(self) -> None:
        for name in self.model.instances:
            for runs_max in (2, 500):
                self.monitoring_of(name, runs_max)
        assert self.queries.monitoring(self.tenant, "nobody", self.at) is None

    def monitoring_of(self, name: str, runs_max: int) -> None:
        answer = plain(self.queries.monitoring(self.tenant, name, self.at, runs_max))
        runs = [run for run in self.model.measuring(name) if run["kind"] == "monitoring"][-runs_max:]
        told = sorted({metric for run in runs for metric in run["metrics"]})
        values = {metric: [run["metrics"].get(metric) for run in runs] for metric in told}
        assert [one["run_id"] for one in answer["runs"]] == [run["id"] for run in runs]
        assert [one["as_of"] for one in answer["runs"]] == [run["as_of"] for run in runs]
        assert [one["at"] for one in answer["runs"]] == [run["ended"]["at"] for run in runs]
        models = [run["model"] and run["model"]["number"] for run in runs]
        assert [one["model_version"] for one in answer["runs"]] == models
        reports = [run["facts"]["report_sha256"] for run in runs]
        shown = [sha if isinstance(sha, str) else None for sha in reports]
        assert [one["report_sha256"] for one in answer["runs"]] == shown
        absent = [None] * len(runs)
        grouped: dict[str, dict[str, Any]] = {"drift": {}, "prediction_drift": {}, "other": {}}
        for metric, series in values.items():
            if metric.startswith("drift.feature."):
                grouped["drift"][metric[14:]] = series
            elif metric.startswith("drift.prediction.") and metric != "drift.prediction.share":
                grouped["prediction_drift"][metric[17:]] = series
            elif not metric.startswith("performance."):
                grouped["other"][metric] = series
        for group, rows in grouped.items():
            assert {row["name"]: row["values"] for row in answer[group]} == rows
        judged = [metric[12:] for metric in told if metric.startswith("performance.")]
        measures = {one.removesuffix(".baseline").removesuffix(".degradation") for one in judged}
        assert [row["name"] for row in answer["performance"]] == sorted(measures)
        for row in answer["performance"]:
            metric = f"performance.{row['name']}"
            assert row["realised"] == values.get(metric, absent)
            assert row["baseline"] == values.get(f"{metric}.baseline", absent)
            assert row["degradation"] == values.get(f"{metric}.degradation", absent)
        self.distributions(answer, runs)
        open_ones = [self.alert(a) for a in self.model.alerts.values() if a["state"] != "resolved"]
        own = [row for row in open_ones if row["instance"] == name]
        assert answer["alerts"] == sorted(own, key=lambda row: -row["raised"]["position"])
        assert answer["rules"] == self.model.rules(name)

    def distributions(self, answer: dict[str, Any], runs: list[dict[str, Any]]) -> None:
        wanted: dict[str, Any] = {}
        by = None
        for run in runs:
            told = run["facts"].get("distributions")
            readable = {f: one for f, one in told.items() if f != "odd"} if isinstance(told, dict) else {}
            by, wanted = (run["id"], readable) if readable else (by, wanted)
        assert answer["distributions_of"] == by
        assert [one["feature"] for one in answer["distributions"]] == sorted(wanted)
        for one in answer["distributions"]:
            histogram = wanted[one["feature"]]
            assert one["edges"] == histogram.get("edges", histogram.get("values"))
            assert (one["reference"], one["current"]) == (histogram["reference"], histogram["current"])

    # --- lineage ---

    def lineage(self) -> None:
        nodes = sorted(self.model.graph.nodes)
        for number, node in enumerate(nodes[:: max(1, len(nodes) // 6)]):
            direction = ("up", "down", "both")[number % 3]
            depth = (None, 1, 2)[number // 3 % 3]
            for extends in (False, True):
                self.lineage_of(node, direction, depth, extends=extends)
        absent = NodeRef("model_version", "nobody@1")
        assert self.queries.lineage(self.tenant, absent, at=self.at) is None

    def lineage_of(self, node: str, direction: Any, depth: int | None, *, extends: bool) -> None:
        view = self.queries.lineage(
            self.tenant, NodeRef.parse(node), direction, depth, self.at, extends=extends
        )
        assert view is not None
        depths, edges = self.model.lineage(node, direction, depth, extends=extends)
        assert {each.node: each.depth for each in view.nodes} == depths
        assert {(e.source, e.target, e.kind, e.position) for e in view.edges} == edges
        assert len(view.edges) == len(edges)
        assert view.extends == sum(edge[2] == "extends" for edge in edges)
        assert sum(view.counts.values()) == len(depths)
        for each in view.nodes:
            facts = self.model.graph.nodes[each.node]
            assert (each.position, each.instance, each.definition) == tuple(
                facts[name] for name in ("position", "instance", "definition")
            )

    def impact(self) -> None:
        graph, model = self.model.graph, self.model
        for name, version in model.definitions:
            ref = f"{name}@{version}"
            self.impact_of(ref, {n for n, facts in graph.nodes.items() if facts["definition"] == ref})
        for name in model.instances:
            self.impact_of(name, {n for n, facts in graph.nodes.items() if facts["instance"] == name})
        for node in sorted(graph.nodes)[:3]:
            self.impact_of(node, {node}, without_roots=True)
        assert self.queries.impact(self.tenant, "nobody", self.at) is None

    def impact_of(self, of: str, roots: set[str], *, without_roots: bool = False) -> None:
        view = self.queries.impact(self.tenant, of, self.at)
        assert view is not None
        found = self.model.downstream(roots, extends=False) - (roots if without_roots else set())
        models = {node.partition(":")[2] for node in found if node.startswith("model_version:")}
        assert set(view.model_versions) == models
        assert set(view.runs) == {node for node in found if "_run:" in node}
        data = {node.partition(":")[2] for node in found if node.startswith("dataset_version:")}
        assert set(view.dataset_versions) == data
        assert sum(view.counts.values()) == len(found)
        active = {
            f"{name}@{periods[-1]['number']}"
            for name, periods in self.model.production.items()
            if periods and periods[-1]["until"] is None
        }
        assert set(view.in_production) == models & active

    # --- activity ---

    def activity(self) -> None:
        events = [
            (
                each.position,
                str(each.event_id),
                each.resource_type,
                each.resource_id,
                each.stream_version,
                each.action,
                each.actor.principal,
                each.reason,
                str(each.correlation_id),
                each.causation_id and str(each.causation_id),
                time_of(each),
                _HASH_OF_KEY.sub(b"", each.payload),
            )
            for each in self.model.events
        ]
        assert self.events(ActivityFilter(oldest_first=True), limit=500) == events
        if not events:
            return
        some = self.model.events[len(events) // 2]
        fields = {
            "actor": some.actor.principal,
            "action": some.action,
            "resource_type": some.resource_type,
            "correlation_id": some.correlation_id,
        }
        for number, (field, value) in enumerate(fields.items()):
            place = {"actor": 6, "action": 5, "resource_type": 2, "correlation_id": 8}[field]
            expected = [event for event in events if event[place] == str(value)]
            filters = ActivityFilter(oldest_first=number % 2 == 0, **{field: value})
            assert self.events(filters, limit=50) == (expected if number % 2 == 0 else expected[::-1])
        later = [event for event in events if event[0] > some.position]
        assert self.events(ActivityFilter(after=some.position), limit=500) == later[::-1]
        self.history()

    def events(self, filters: ActivityFilter, limit: int) -> list[Any]:
        found: list[Any] = []
        cursor = None
        while True:
            paging = Paging(limit=limit, cursor=cursor)
            page = self.queries.activity(self.tenant, filters, paging, self.at)
            found += [
                (
                    each.position,
                    str(each.event_id),
                    each.resource_type,
                    each.resource_id,
                    each.stream_version,
                    each.action,
                    each.actor,
                    each.reason,
                    str(each.correlation_id),
                    each.causation_id and str(each.causation_id),
                    plain(each.recorded_at),
                    bytes(each.payload),
                )
                for each in page.items
            ]
            if page.next_cursor is None:
                return found
            cursor = page.next_cursor

    def history(self) -> None:
        for name in self.model.instances:
            own = {
                f"{run['kind']}_run:{run['id']}"
                for run in self.model.runs.values()
                if run["instance"] == name
            }
            own |= {a["ref"] for a in self.model.alerts.values() if a["instance"] == name}
            expected = [
                each.position
                for each in self.model.events
                if self.belongs(each.resource_type, each.resource_id, name)
                or (
                    each.action != "guardrail.evaluated" and f"{each.resource_type}:{each.resource_id}" in own
                )
            ]
            view = self.queries.history(self.tenant, name, Paging(limit=500), self.at)
            assert view is not None
            assert [each.position for each in view.events.items] == expected[:500]
        assert self.queries.history(self.tenant, "nobody", Paging(), self.at) is None

    def belongs(self, kind: str, identity: str, name: str) -> bool:
        return (kind == "model_instance" and identity == name) or (
            kind == "model_version" and identity.partition("@")[0] == name
        )

    def search(self) -> None:
        hits = self.queries.search(self.tenant, "INST-1", self.at, limit=500)
        model = self.model
        expected = {name for name in model.instances if "inst-1" in name}
        expected |= {name for name in model.datasets if "inst-1" in name}
        expected |= {f"{name}@{number}" for name, number in model.versions if "inst-1" in name}
        assert {hit.ref for hit in hits} == expected
