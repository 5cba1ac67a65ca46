"""What a readable reference may mean, in the order in which it is tried."""

import re

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
RUN_TYPES = ("training_run", "inference_run", "monitoring_run")


def candidates(ref: str) -> tuple[tuple[str, str], ...]:
    """(resource type, id) pairs: `type:id` is itself; a bare name or `name@…` may be of several types."""
    kind, colon, identity = ref.partition(":")
    if colon:
        return ((kind, identity),)
    if _UUID.fullmatch(ref):
        return tuple((run_type, ref) for run_type in RUN_TYPES)
    _, at, version = ref.partition("@")
    if not at:
        return (("model_instance", ref), ("dataset", ref), ("ml_module_def", ref))
    if version.isdecimal():
        return (("model_version", ref), ("dataset_version", ref))
    return (("ml_module_def", ref),)
