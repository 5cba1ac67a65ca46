"""Which pinned inputs a monitoring computes the model's features from."""

from application.handlers.inputs import WATCHED
from infrastructure.execution.work import RunWork


def feature_roles(work: RunWork) -> dict[str, str]:
    """The name that the definition's code uses for an input → the role under which the run pinned it, in the
    order in which inference reads them.

    Empty for other kinds. A definition that declares no inputs uses every one that is watched or judges.
    """
    if work.run.kind != "monitoring":
        return {}
    pinned = [one.role for one in work.inputs if one.dataset != work.run.output_dataset]
    names = dict.fromkeys(role.removeprefix(WATCHED) for role in pinned)
    declared = {one.role for one in work.manifest.inputs} or set(names)
    return {name: WATCHED + name if WATCHED + name in pinned else name for name in names if name in declared}
