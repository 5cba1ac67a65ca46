"""Definitions that take what they can get as soon as they are imported, each for a while: what goes on in an
evaluation while the service has to answer.
"""

from pathlib import Path

from tests.execution.definition_packages import LINEAR, TOML, packed

GREED = {
    "forks": """
for _ in range(50):
    if os.fork() == 0:
        while time.monotonic() < until:
            pass
        os._exit(0)
""",
    "memory": """
for _ in range(4):
    if os.fork() == 0:
        while time.monotonic() < until:
            held = bytearray(os.urandom(1 << 20)) * 180
        os._exit(0)
""",
    "prints": """
while time.monotonic() < until:
    os.write(1, b"x" * 65535 + b"\\n")
""",
    "spins": """
while time.monotonic() < until:
    pass
""",
}
"""Name → what it does until its time is over. Bounded: 50 processes, 720 MiB."""
_BEGIN = "import os\nimport time\n\nuntil = time.monotonic() + {seconds}\n"
_END = "\nwhile time.monotonic() < until:\n    time.sleep(0.05)\nraise SystemExit(3)\n"


def packages(folder: Path, seconds: float) -> dict[str, bytes]:
    """Definition name → its package. It is greedy for so long at each import, and then ends badly."""
    made: dict[str, bytes] = {}
    for name, greed in GREED.items():
        text = _BEGIN.format(seconds=seconds) + greed + _END + LINEAR
        changes: dict[str, str | None] = {
            "definition.toml": TOML.replace('"steady"', f'"{name}"'),
            "model/linear.py": text,
        }
        made[name] = packed(folder / name, changes)
    return made
