"""The read side told again as plainly as possible: dicts over a prefix of the log, nothing shared with the
views.

`Model.fold` walks the prefix once; every method answers one question about it in plain JSON-like values.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import networkx as nx

from domain.shared.activity import RecordedEvent


def plain(value: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def time_of(recorded: RecordedEvent) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=recorded.recorded_at_us)
    return plain(moment)


def act(recorded: RecordedEvent | None) -> Any:
    if recorded is None:
        return None
    return {
        "position": recorded.position,
        "at": time_of(recorded),
        "actor": recorded.actor.principal,
        "method": recorded.actor.method,
        "on_behalf_of": recorded.actor.on_behalf_of,
        "reason": recorded.reason,
    }


class Model:
    """One tenant's state after a prefix of the log."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.events: list[RecordedEvent] = []
        self.streams: dict[str, int] = {}
        self.definitions: dict[tuple[str, str], dict[str, Any]] = {}
        self.instances: dict[str, dict[str, Any]] = {}
        self.versions: dict[tuple[str, int], dict[str, Any]] = {}
        self.production: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.gates: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.runs: dict[str, dict[str, Any]] = {}
        self.points: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.datasets: dict[str, dict[str, Any]] = {}
        self.dataset_versions: dict[tuple[str, int], dict[str, Any]] = {}
        self.alerts: dict[str, dict[str, Any]] = {}
        self.graph: Any = nx.MultiDiGraph()

    def fold(self, recorded: RecordedEvent) -> None:
        if recorded.tenant != self.tenant:
            return
        self.events.append(recorded)
        self.streams[str(recorded.stream_id)] = recorded.stream_version
        resource, _, verb = recorded.action.partition(".")
        e = plain(recorded.event)
        handler = getattr(self, f"{'run' if resource.endswith('_run') else resource}_{verb}", None)
        if handler is not None:
            handler(recorded, e, resource.removesuffix("_run"))

    # --- definitions ---

    def ml_module_def_submitted(self, r: RecordedEvent, e: Any, _: str) -> None:
        manifest = e["manifest"]
        key = (manifest["name"], manifest["version"])
        first = self.definitions[key]["first"] if key in self.definitions else r.position
        self.definitions[key] = {
            "first": first,
            "state": "submitted",
            "category": manifest["category"],
            "manifest": manifest,
            "submitter": e["submitter"],
            "submitted": act(r),
            "evaluation": None,
            "published": None,
            "deprecated": None,
        }

    def ml_module_def_evaluated(self, r: RecordedEvent, e: Any, _: str) -> None:
        row = self.definitions[e["name"], e["version"]]
        row["state"] = e["verdict"]
        names = ("verdict", "sandbox_level", "checks", "report_sha256", "hyper_parameter_schema")
        row["evaluation"] = {name: e[name] for name in (*names, "output_columns")} | {"act": act(r)}

    def ml_module_def_published(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.definitions[e["name"], e["version"]] |= {"state": "published", "published": act(r)}

    def ml_module_def_deprecated(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.definitions[e["name"], e["version"]] |= {"state": "deprecated", "deprecated": act(r)}

    # --- instances ---

    def model_instance_created(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.instances[e["name"]] = {
            "specification": e["specification"],
            "output_dataset": e["output_dataset"],
            "active_version": None,
            "created": act(r),
            "specified": act(r),
            "archived": None,
            "last_ended_training": None,
        }

    def model_instance_updated(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.instances[e["name"]] |= {"specification": e["specification"], "specified": act(r)}

    def model_instance_active_version_changed(self, _: RecordedEvent, e: Any, __: str) -> None:
        self.instances[e["name"]]["active_version"] = e["active"]

    def model_instance_archived(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.instances[e["name"]]["archived"] = act(r)

    def instance_state(self, name: str) -> str:
        row = self.instances[name]
        trainings = [r for r in self.runs.values() if r["instance"] == name and r["kind"] == "training"]
        if row["archived"]:
            return "archived"
        if any(r["state"] in ("pending", "running") for r in trainings):
            return "training"
        if any(key[0] == name for key in self.versions):
            return "ready"
        return "error" if row["last_ended_training"] == "failed" else "pending"

    # --- runs ---

    def run_submitted(self, r: RecordedEvent, e: Any, kind: str) -> None:
        pinned = {k: v for k, v in e.items() if k != "run_id"}
        self.runs[e["run_id"]] = pinned | {
            "id": e["run_id"],
            "state": "pending",
            "submitted": act(r),
            "started": None,
            "ended": None,
            "metrics": {},
            "artifact": None,
            "model_version": None,
            "dataset_version": None,
            "facts": {},
            "error": None,
            "log_sha256": None,
        }
        node = f"{kind}_run:{e['run_id']}"
        self.node(r, node, e["instance"], e["definition"])
        for each in e["inputs"]:
            if each["use"] != "watched":
                self.edge(r, f"dataset_version:{each['dataset']}@{each['version']}", node, each["use"])
        if e["model"]:
            self.edge(r, f"model_version:{e['instance']}@{e['model']['number']}", node, "model")

    def run_started(self, r: RecordedEvent, e: Any, _: str) -> None:
        started = {name: e[name] for name in ("worker", "python", "distributions")}
        started |= {"sandbox_level": e.get("sandbox_level"), "act": act(r)}
        self.runs[e["run_id"]] |= {"state": "running", "started": started}

    def run_metrics_logged(self, r: RecordedEvent, e: Any, _: str) -> None:
        of = {"position": r.position, "at": time_of(r)}
        self.points[e["run_id"]] += [point | of for point in e["points"]]

    def run_completed(self, r: RecordedEvent, e: Any, _: str) -> None:
        names = ("metrics", "artifact", "model_version", "dataset_version", "facts", "log_sha256")
        self.ended(r, e, "completed", {name: e[name] for name in names})

    def run_failed(self, r: RecordedEvent, e: Any, _: str) -> None:
        error = {"code": e["code"], "message": e["message"]}
        self.ended(r, e, "failed", {"error": error, "log_sha256": e["log_sha256"]})

    def run_cancelled(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.ended(r, e, "cancelled", {})

    def ended(self, r: RecordedEvent, e: Any, state: str, told: dict[str, Any]) -> None:
        self.runs[e["run_id"]] |= {"state": state, "ended": act(r)} | told
        if e["kind"] == "training":
            self.instances[e["instance"]]["last_ended_training"] = state

    def guardrail_evaluated(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.gates[e["report"]["target"]].append({"report": e["report"], "act": act(r)})

    # --- versions ---

    def model_version_registered(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.versions[e["instance"], e["number"]] = e | {
            "artifact_uri": f"artifact:sha256/{e['artifact_sha256']}",
            "description": "",
            "tags": [],
            "registered": act(r),
            "staged": act(r),
            "promoted": None,
            "purged": None,
        }
        node = f"model_version:{e['instance']}@{e['number']}"
        self.node(r, node, e["instance"], e["definition"])
        self.edge(r, f"training_run:{e['run_id']}", node, "output")

    def model_version_staged(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.versions[e["instance"], e["number"]] |= {"stage": "staging", "staged": act(r)}

    def model_version_promoted(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.versions[e["instance"], e["number"]] |= {
            "stage": "production",
            "staged": act(r),
            "promoted": act(r),
        }
        periods = self.production[e["instance"]]
        if periods and periods[-1]["until"] is None:
            periods[-1]["until"] = act(r)
        how = r.action.partition(".")[2]
        periods.append({"number": e["number"], "how": how, "since": act(r), "until": None})

    model_version_rolled_back = model_version_promoted

    def model_version_archived(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.versions[e["instance"], e["number"]] |= {"stage": "archived", "staged": act(r)}
        for period in self.production[e["instance"]]:
            if period["number"] == e["number"] and period["until"] is None:
                period["until"] = act(r)

    def model_version_annotated(self, _: RecordedEvent, e: Any, __: str) -> None:
        changes = {"description": e["description"], "tags": e["tags"]}
        self.versions[e["instance"], e["number"]] |= changes

    def model_version_purged(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.versions[e["instance"], e["number"]]["purged"] = act(r)

    # --- datasets ---

    def dataset_created(self, r: RecordedEvent, e: Any, _: str) -> None:
        names = ("kind", "instance", "declaration")
        self.datasets[e["name"]] = {n: e[n] for n in names} | {"created": act(r), "changed": act(r)}

    def dataset_version_written(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.added(r, e, "verified")
        names = ("parent", "files", "backfill", "simulated", "run_id")
        row = self.dataset_versions[e["dataset"], e["number"]]
        row |= {name: e[name] for name in names} | {"content": e["facts"]}
        node = f"dataset_version:{e['dataset']}@{e['number']}"
        if e["run_id"]:
            self.edge(r, f"inference_run:{e['run_id']}", node, "output")
        self.extend(r, e["dataset"], e["parent"], e["number"])

    def dataset_version_registered(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.added(r, e, "registered")
        row = self.dataset_versions[e["dataset"], e["number"]]
        row |= {name: e[name] for name in ("parent", "backfill", "producer")}

    def added(self, r: RecordedEvent, e: Any, state: str) -> None:
        self.dataset_versions[e["dataset"], e["number"]] = {
            "state": state,
            "parent": None,
            "files": [],
            "content": None,
            "backfill": False,
            "simulated": False,
            "run_id": None,
            "producer": None,
            "rejection": None,
            "recorded": act(r),
            "decided": None,
            "compacted": None,
            "purged": None,
        }
        self.datasets[e["dataset"]]["changed"] = act(r)
        instance = self.datasets[e["dataset"]]["instance"]
        self.node(r, f"dataset_version:{e['dataset']}@{e['number']}", instance, None)

    def dataset_version_verified(self, r: RecordedEvent, e: Any, _: str) -> None:
        told = {"state": "verified", "files": e["files"], "content": e["facts"], "decided": act(r)}
        row = self.changed(r, e, told)
        self.extend(r, e["dataset"], row["parent"], e["number"])

    def dataset_version_rejected(self, r: RecordedEvent, e: Any, _: str) -> None:
        rejection = {"code": e["code"], "message": e["detail"]}
        self.changed(r, e, {"state": "rejected", "rejection": rejection, "decided": act(r)})

    def dataset_version_compacted(self, r: RecordedEvent, e: Any, _: str) -> None:
        row = self.changed(r, e, {"files": e["files"], "compacted": act(r)})
        row["content"] = row["content"] | {n: e[n] for n in ("row_hash", "manifest_sha256")}

    def dataset_version_purged(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.changed(r, e, {"purged": act(r)})

    def changed(self, r: RecordedEvent, e: Any, changes: dict[str, Any]) -> dict[str, Any]:
        row = self.dataset_versions[e["dataset"], e["number"]]
        row |= changes
        self.datasets[e["dataset"]]["changed"] = act(r)
        return row

    def newest(self, name: str) -> int | None:
        numbers = [n for (d, n), v in self.dataset_versions.items() if d == name and v["state"] == "verified"]
        return max(numbers, default=None)

    # --- alerts and monitoring ---

    def alert_raised(self, r: RecordedEvent, e: Any, _: str) -> None:
        rule = e["rule"]
        self.alerts[e["alert_id"]] = {name: e[name] for name in ("instance", "metric", "number", "value")} | {
            "id": e["alert_id"],
            "ref": f"alert:{e['alert_id']}",
            "rule": rule,
            "rule_name": rule.get("name") or rule["metric"].replace(".", "-").replace("-*", "") + "-gt",
            "condition": f"> {rule['threshold']:g}",
            "severity": rule["severity"],
            "state": "raised",
            "run_id": e["run_id"],
            "raised": act(r),
            "acknowledged": None,
            "resolved": None,
            "cleared_by": None,
            "cleared_value": None,
        }

    def alert_acknowledged(self, r: RecordedEvent, e: Any, _: str) -> None:
        self.alerts[e["alert_id"]] |= {"state": "acknowledged", "acknowledged": act(r)}

    def alert_resolved(self, r: RecordedEvent, e: Any, _: str) -> None:
        told = {"cleared_by": e["run_id"], "cleared_value": e["value"]}
        self.alerts[e["alert_id"]] |= {"state": "resolved", "resolved": act(r)} | told

    def rules(self, instance: str) -> Any:
        """The instance's own, else the definition's."""
        specification = self.instances[instance]["specification"]
        ref = specification["definition"]
        manifest = self.definitions[ref["name"], ref["version"]]["manifest"]
        return specification.get("alert_rules", manifest.get("alerts", []))

    def measuring(self, instance: str) -> list[dict[str, Any]]:
        """Completed runs that do not tell the past again, in the order in which they ended."""
        found = [
            run
            for run in self.runs.values()
            if run["instance"] == instance
            and run["state"] == "completed"
            and not run["refit"]
            and run["trigger"] == "manual"
        ]
        return sorted(found, key=lambda run: run["ended"]["position"])

    # --- lineage ---

    def node(self, r: RecordedEvent, node: str, instance: str | None, definition: Any) -> None:
        ref = f"{definition['name']}@{definition['version']}" if definition else None
        self.graph.add_node(node, position=r.position, instance=instance, definition=ref)

    def edge(self, r: RecordedEvent, source: str, target: str, kind: str) -> None:
        if not self.graph.has_edge(source, target, kind):
            self.graph.add_edge(source, target, key=kind, position=r.position, source_only=False)

    def extend(self, r: RecordedEvent, name: str, parent: int | None, number: int) -> None:
        if parent is not None:
            of_source = self.datasets[name]["kind"] == "source"
            ends = (f"dataset_version:{name}@{n}" for n in (parent, number))
            self.graph.add_edge(*ends, key="extends", position=r.position, source_only=of_source)

    def followed(self, *, extends: bool) -> Any:
        edges = [
            (source, target, kind)
            for source, target, kind, facts in self.graph.edges(keys=True, data=True)
            if extends or not facts["source_only"]
        ]
        return self.graph.edge_subgraph(edges)

    def lineage(self, node: str, direction: str, depth: int | None, *, extends: bool) -> Any:
        graph = self.followed(extends=extends)
        depths: dict[str, int] = {node: 0}
        edges: set[tuple[str, str, str, int]] = set()
        for way in ("up", "down"):
            if direction not in (way, "both") or node not in graph:
                continue
            view = graph.reverse(copy=False) if way == "up" else graph
            found = nx.single_source_shortest_path_length(view, node, cutoff=depth)
            for each, hops in found.items():
                depths[each] = min(hops, depths.get(each, hops))
            for source, target, kind, facts in graph.subgraph(found).edges(keys=True, data=True):
                edges.add((source, target, kind, facts["position"]))
        return depths, edges

    def downstream(self, roots: set[str], *, extends: bool) -> set[str]:
        graph = self.followed(extends=extends)
        found = set(roots)
        for root in roots:
            if root in graph:
                found |= nx.descendants(graph, root)
        return found
