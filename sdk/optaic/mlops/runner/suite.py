"""Runs a definition's own tests with pytest: one check of an evaluation, in a process of its own.

Reads {"package", "result"} as JSON from standard input, before any code of the definition runs; pytest writes
its JUnit report to the file `result`. Settings of the package or of the machine do not count: no plugins but
pytest's own, no configuration file.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from optaic.mlops.runner.confinement import confine


def main() -> int:
    """pytest's exit code."""
    confine()
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    task: dict[str, Any] = json.load(sys.stdin)
    package = Path(task["package"])
    sys.path.insert(0, str(package))
    import pytest

    return int(
        pytest.main(
            [
                str(package / "tests"),
                f"--rootdir={package}",
                "-c",
                os.devnull,
                f"--junitxml={task['result']}",
                "-p",
                "no:cacheprovider",
                "-q",
                "--tb=short",
                "--color=no",
            ]
        )
    )


if __name__ == "__main__":
    sys.exit(main())
