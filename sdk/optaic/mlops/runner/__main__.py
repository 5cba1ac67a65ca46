"""Entry of a run's process: limits first, then the description, then the pipeline of the run's kind."""

import os
import sys
import traceback
from pathlib import Path

from optaic.mlops.runner.confinement import confine


def main() -> int:
    """Run the pipeline; 0 when the results were handed over, 1 with the reason told or printed otherwise."""
    confine()
    from optaic.mlops.runner.connection import RunRefused, connect, keep_alive
    from optaic.mlops.runner.protocol import SOCKET_SETTING

    path = os.environ[SOCKET_SETTING]
    connection = connect()
    keep_alive(path)
    try:
        _run(connection)
    except RunRefused as refusal:
        traceback.print_exc()
        connection.fail(refusal.code, refusal.message)
        return 1
    except MemoryError as error:
        traceback.print_exc()
        connection.fail("run.memory_limit", f"the run needed more memory than its limit: {error}")
        return 1
    return 0


def _run(connection: "RunConnection") -> None:
    from optaic.mlops.pipelines.inference import infer
    from optaic.mlops.pipelines.monitoring import monitor
    from optaic.mlops.pipelines.training import train
    from optaic.mlops.runner.components import load_components, put_on_path

    description = connection.describe()
    put_on_path(Path(description.package_folder))
    components = load_components(description.entry_points)
    work = {"training": train, "inference": infer, "monitoring": monitor}[description.kind]
    try:
        work(description, components, connection)
    finally:
        _flush_metrics()


def _flush_metrics() -> None:
    """What the definition logged by itself, if it did."""
    tracking = sys.modules.get("optaic.mlops.tracking")
    if tracking is not None:
        tracking.flush_metrics()


if __name__ == "__main__":
    from optaic.mlops.runner.connection import RunConnection

    sys.exit(main())
