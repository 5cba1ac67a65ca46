"""How soon the command line answers and the service is ready, and what an idle service holds in memory.

Run: python -m benchmarks.startup
"""

import http.client
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 5


def seconds_of_help() -> float:
    """A whole `optaic-mlops --help`, process start included."""
    program = Path(sys.executable).with_name("optaic-mlops")
    began = time.perf_counter()
    subprocess.run([program, "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def seconds_until_ready(folder: Path) -> tuple[float, float]:
    """From process start until `/ready` answers 200; and the resident memory then, in MiB."""
    began = time.perf_counter()
    command = [
        sys.executable,
        "-P",
        "-m",
        "infrastructure.cli.main",
        "up",
        "--data",
        str(folder),
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split()[5].rsplit(":", 1)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/api/v1/ready")
        assert connection.getresponse().status == 200
        taken = time.perf_counter() - began
        memory = resident_mib(process.pid)
        process.terminate()
    return taken, memory


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError(pid)


def main() -> None:
    """Print the table."""
    seconds_of_help()
    helps = [seconds_of_help() for _ in range(ROUNDS)]
    with tempfile.TemporaryDirectory() as scratch:
        starts = [seconds_until_ready(Path(scratch) / str(number)) for number in range(ROUNDS)]
    print("| what | median | target |")
    print("|---|---|---|")
    print(f"| `optaic-mlops --help` | {statistics.median(helps):.2f} s | < 0.5 s |")
    print(f"| service ready, new folder | {statistics.median(one for one, _ in starts):.2f} s | < 3 s |")
    print(f"| idle service, resident | {statistics.median(one for _, one in starts):.0f} MiB | < 300 MiB |")


if __name__ == "__main__":
    main()
