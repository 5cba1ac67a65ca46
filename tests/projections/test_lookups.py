"""What command handlers look up equals the plain model."""

from random import Random

import pytest

from tests.projections.support.generated import TENANTS, Generator
from tests.projections.support.oracle import Model


def trained_on(model, dataset, number):
    """Production versions, by walking each one's training inputs back along `extends`."""
    found = set()
    for (instance, version), row in model.versions.items():
        periods = model.production[instance]
        if not (periods and periods[-1]["until"] is None and periods[-1]["number"] == version):
            continue
        todo = [(each["dataset"], each["version"]) for each in model.runs[row["run_id"]]["inputs"]]
        seen = set()
        while todo:
            one = todo.pop()
            seen.add(one)
            facts = model.dataset_versions[one]
            if facts["state"] == "verified" and facts["parent"]:
                todo.append((one[0], facts["parent"]))
        if (dataset, number) in seen:
            found.add(f"{instance}@{version}")
    return found


def told_and_open(views, model, instance, position):
    """The runs that told a metric and the open alerts of an instance; how many there are."""
    lookups, tenant = views.lookups, model.tenant
    telling = [run["id"] for run in model.measuring(instance) if "rank_ic" in run["metrics"]]
    for count in (1, 3, 500):
        found = lookups.runs_telling(tenant, instance, "rank_ic", count, position)
        assert list(found) == telling[-count:]
    waiting = [
        alert["id"]
        for alert in model.alerts.values()
        if alert["instance"] == instance and alert["state"] != "resolved"
    ]
    assert list(lookups.open_alerts(tenant, instance, position)) == waiting
    return len(telling) + len(waiting)


@pytest.mark.parametrize("seed", [1, 4])
def test_lookups_equal_the_plain_model_at_any_position(opened, seed):
    log = Generator(Random(seed)).run(1_500)
    views = opened(log)
    views.catch_up()
    answers = 0
    for position in (400, 1_000, log.head()):
        for tenant in TENANTS:
            model = Model(tenant)
            for recorded in log.events[:position]:
                model.fold(recorded)
            for instance in model.instances:
                pending = [
                    run["id"]
                    for run in model.runs.values()
                    if run["instance"] == instance and run["state"] == "pending"
                ]
                assert list(views.lookups.pending_runs(tenant, instance, position)) == pending
                answers += told_and_open(views, model, instance, position)
            for dataset, number in model.dataset_versions:
                found = views.lookups.production_versions_reading(tenant, dataset, number, position)
                expected = trained_on(model, dataset, number)
                assert {str(ref) for ref in found} == expected
                answers += len(expected)
    assert answers
