"""A million step metrics of one run: from the SDK's call to the log and the view, and read again.

Run: python -m benchmarks.metrics_points [points]
The service is a process of its own; the points are logged as a notebook would, one step at a time.
"""

import json
import os
import resource
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.http_command import service
from optaic.mlops import Client, tracking
from optaic.mlops.client import use_client
from tests.execution.definition_packages import packed

NAMES = ("train/loss", "train/rank_ic", "validation/loss", "validation/rank_ic")
TARGET_S = 30


def prepared(client: Client, folder: Path) -> None:
    """A definition, a dataset and an instance."""
    client.create_dataset("us-prices", {"columns": [{"name": "close", "type": "float64"}]})
    rows = "entity,date,knowledge_date,close\nA,2024-03-07,2024-03-07T21:00:00Z,10.5\n"
    client.write_dataset_version("us-prices", rows.encode(), backfill=True, media_type="text/csv")
    verdict = client.submit_definition(packed(folder), wait=120)["definition"]
    assert verdict["state"] == "passed", verdict
    bound = [{"dataset": "us-prices", "role": "prices"}]
    client.create_model_instance("steady-alpha", "steady@1.0.0", training_datasets=bound)


def logged(points: int) -> tuple[str, float]:
    """Log the points, `len(NAMES)` a step; returns the run and the seconds until the last was recorded.

    The run then fails for want of a model; its points stay.
    """
    with tracking.start_run("steady-alpha") as run:
        began = time.perf_counter()
        for step in range(points // len(NAMES)):
            tracking.log_metrics(dict.fromkeys(NAMES, step * 0.001), step=step)
        tracking.flush_metrics()
        taken = time.perf_counter() - began
        run_id = run.run_id
    return run_id, taken


def asked(client: Client, path: str) -> tuple[float, dict[str, object]]:
    """Seconds and answer of a read."""
    began = time.perf_counter()
    with urllib.request.urlopen(f"{client.url}/api/v1{path}", timeout=300) as answer:
        found = json.loads(answer.read())
    return time.perf_counter() - began, found


def main() -> None:
    """Print the table."""
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as scratch, service(Path(scratch) / "data") as port:
        client = Client(f"http://127.0.0.1:{port}")
        use_client(client)
        prepared(client, Path(scratch) / "package")
        run_id, taken = logged(points)
        head = client.get_run(run_id)["ended"]["position"]
        began = time.perf_counter()
        asked(client, f"/runs/{run_id}?after={head}")
        caught_up = time.perf_counter() - began
        seconds, sampled = asked(client, f"/runs/{run_id}/metrics?name=train/loss&max_points=1000")
        whole, series = asked(client, f"/runs/{run_id}/metrics?name=train/loss")
        assert len(series["items"]) == points // len(NAMES), len(series["items"])  # type: ignore[arg-type]
        assert [one["step"] for one in series["items"]] == list(range(points // len(NAMES)))  # type: ignore[attr-defined]
        views = sum(path.stat().st_size for path in (Path(scratch) / "data").glob("views.sqlite*"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("| what | figure | target |")
    print("|---|---|---|")
    print(f"| {points:,} points logged and recorded | {taken:.1f} s | <= {TARGET_S} s for a million |")
    print(f"| points a second | {points / taken:,.0f} | |")
    print(f"| the view has them after | {caught_up:.2f} s more | |")
    print(f"| one series down-sampled to {len(sampled['items']):,} points, read | {seconds:.2f} s | |")  # type: ignore[arg-type]
    print(f"| one whole series of {points // len(NAMES):,} points, read | {whole:.2f} s | |")
    print(f"| the views' file | {views / 1024**2:.0f} MiB | |")
    print(f"| the client's memory at most, whole series included | {peak:.0f} MiB | |")


if __name__ == "__main__":
    os.environ.pop("OPTAIC_MLOPS_RUN_SOCKET", None)
    main()
