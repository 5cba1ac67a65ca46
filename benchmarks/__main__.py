"""All measurements, one after the other, each in a process of its own.

Run: python -m benchmarks [name ...] [--write]. `--write` puts the tables into docs/benchmarks.md, where those
that were not measured stay as they are.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

MEASUREMENTS = {
    "append": "Durable appends on SQLite, and folding a stream",
    "append_postgres": "Durable appends on PostgreSQL, one process and several",
    "rebuild": "Rebuilding views, and catching up",
    "rebuild_postgres": "Rebuilding views on PostgreSQL, and catching up",
    "http_command": "A command over HTTP, and until it is visible in a view",
    "as_of_read": "Reading a dataset as of a moment",
    "feature_frame": "Features of every decision, as known then",
    "relay": "The relay from PostgreSQL to Kafka",
    "catch_up": "Catching up from Kafka into the views on PostgreSQL",
    "end_to_end": "From a command over HTTP until it is visible, through Kafka",
    "intake": "Commands from Kafka, sustained",
    "guardrails": "Contracts judged on a million rows",
    "metrics_points": "A million step metrics of one run",
    "run_overhead": "What a run costs beside its own work",
    "hostile": "Reads while hostile code runs in its sandbox",
    "startup": "Starting the command line and the service",
}
LIMITS = Path(__file__).with_name("limits")
"""What holds a figure where it is and what was tried: one page a measurement that needs it."""
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Figures of `make bench` on {machine}. Ratios compare with the raw part,
measured in turns in the same run: they travel better than absolute figures. A benchmark is no test: nothing
fails when one moves.
"""


def measured(name: str) -> str:
    """What one measurement prints; it is shown as it comes."""
    lines: list[str] = []
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        raise SystemExit(f"benchmarks.{name} ended with {process.returncode}")
    return "".join(lines)


def section(name: str, text: str) -> str:
    """One measurement as a part of the page; tables stay tables, anything else is shown as printed."""
    body = text.strip()
    if not body.startswith("|") and "\n|" not in body:
        body = f"```text\n{body}\n```"
    page = LIMITS / f"{name}.md"
    limits = f"\n{page.read_text(encoding='utf-8')}" if page.exists() else ""
    return f"\n## {MEASUREMENTS[name]}\n\n`python -m benchmarks.{name}`\n\n{body}\n{limits}"


def standing(page: str) -> dict[str, str]:
    """The parts that a page has, by the name of their measurement."""
    parts = page.split("\n## ")[1:]
    titles = {title: name for name, title in MEASUREMENTS.items()}
    found = {titles.get(part.partition("\n")[0]): part for part in parts}
    return {name: f"\n## {part.rstrip()}\n" for name, part in found.items() if name is not None}


def main(arguments: list[str]) -> None:
    """Run the named measurements (default: all)."""
    parts = standing(PAGE.read_text(encoding="utf-8"))
    for name in [one for one in arguments if not one.startswith("-")] or list(MEASUREMENTS):
        print(f"\n{MEASUREMENTS[name]}\n", flush=True)
        parts[name] = section(name, measured(name))
        if "--write" in arguments:
            _write(parts)


def _write(parts: dict[str, str]) -> None:
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    text = "".join(parts[name] for name in MEASUREMENTS if name in parts)
    PAGE.write_text(HEAD.format(machine=machine) + text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
