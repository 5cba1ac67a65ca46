"""What a run costs beside its own work: from its submission until its end is in the views.

Run: python -m benchmarks.run_overhead
The definition trains on 270 rows in a few milliseconds, so nearly all of it is overhead: claiming, the
process, its imports, the sandbox, the handing over. CPU is that of the service and all it started:
on a busy machine that figure says more.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.http_command import service
from optaic.mlops import Client
from optaic.mlops.client import use_client
from optaic.mlops.data import write_dataset
from tests.execution.definition_packages import PARTS, packed
from tests.execution.work_desk import prices

RUNS = 12
TARGET_S = 1.5
EMPTY = PARTS.replace("WalkForward(first_test=30, refit_every=20)", "None").replace(", WalkForward", "")


def main() -> None:
    """Print the table."""
    assert EMPTY != PARTS
    with tempfile.TemporaryDirectory() as scratch, service(Path(scratch) / "data") as port:
        pid = json.loads((Path(scratch) / "data" / "service.json").read_text())["pid"]
        client = Client(f"http://127.0.0.1:{port}")
        use_client(client)
        client.create_dataset("us-prices", {"columns": [{"name": "close", "type": "float64"}]})
        write_dataset("us-prices", prices(), backfill=True)
        package = packed(Path(scratch) / "package", {"training/parts.py": EMPTY})
        began, spent = time.perf_counter(), cpu_of(pid)
        verdict = client.submit_definition(package, wait=120)["definition"]
        evaluated, evaluating = time.perf_counter() - began, cpu_of(pid) - spent
        assert verdict["state"] == "passed", verdict
        bound = [{"dataset": "us-prices", "role": "prices"}]
        client.create_model_instance("steady-alpha", "steady@1.0.0", training_datasets=bound)
        as_of = datetime(2024, 3, 20, 22, tzinfo=UTC).isoformat()
        first = ran(client, as_of)
        spent = cpu_of(pid)
        taken = [ran(client, as_of) for _ in range(RUNS)]
        running = (cpu_of(pid) - spent) / RUNS
    bare, importing = floor()
    print("| what | wall | target | CPU |")
    print("|---|---|---|---|")
    print(f"| a process that imports numpy, polars and pydantic | {bare:.2f} s | | {importing:.2f} s |")
    median = statistics.median(taken)
    limit = f"<= {TARGET_S} s"
    print(f"| a run of an empty trainer, median of {RUNS} | {median:.2f} s | {limit} | {running:.2f} s |")
    print(f"| the first, which reads the environment | {first:.2f} s | | |")
    print(f"| evaluation of the package | {evaluated:.1f} s | <= 15 s | {evaluating:.1f} s |")


def floor() -> tuple[float, float]:
    """Least wall and CPU seconds of a process that imports what no run can do without."""
    taken: list[tuple[float, float]] = []
    for _ in range(5):
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", "import numpy, polars, pydantic"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        taken.append((time.perf_counter() - began, cpu))
    return min(wall for wall, _ in taken), min(cpu for _, cpu in taken)


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and of its children that have ended."""
    return sum(psutil.Process(pid).cpu_times()[:4])


def ran(client: Client, as_of: str) -> float:
    """Seconds of one training."""
    began = time.perf_counter()
    done = client.submit_run("steady-alpha", "training", as_of=as_of, wait=60)["run"]
    assert done["state"] == "completed", done
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
