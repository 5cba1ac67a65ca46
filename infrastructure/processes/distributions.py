"""What is installed in the environment that runs use."""

import json
import subprocess
from functools import cache
from pathlib import Path

_LIST = (
    "import importlib.metadata as m, json; "
    "print(json.dumps({d.metadata['Name']: d.version for d in m.distributions() if d.metadata['Name']}))"
)


@cache
def installed_distributions(python: Path) -> dict[str, str]:
    """Distribution name → version, as the interpreter itself sees it; asked once a process."""
    answer = subprocess.run(
        [str(python), "-P", "-s", "-c", _LIST], capture_output=True, check=True, timeout=60, cwd="/", env={}
    )
    found: dict[str, str] = json.loads(answer.stdout)
    return dict(sorted(found.items()))
