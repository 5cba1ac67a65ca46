"""Which pinned inputs a monitoring computes the model's features from."""

from application.handlers.inputs import WATCHED
from infrastructure.execution.work import RunWork


def feature_roles(work: RunWork) -> dict[str, str]:
    """The name of each declared input of the definition → the role under which the run pinned it.

    Empty for other kinds, and where one of them was not pinned: runs submitted before inputs were watched. A
    definition that declares none uses every input that is watched or judges.
    """
    if work.run.kind != "monitoring":
        return {}
    pinned = {one.role for one in work.inputs if one.dataset != work.run.output_dataset}
    names = [one.role for one in work.manifest.inputs]
    if not names:
        names = sorted({role.removeprefix(WATCHED) for role in pinned})
    found = {name: WATCHED + name if WATCHED + name in pinned else name for name in names}
    return found if set(found.values()) <= pinned else {}
