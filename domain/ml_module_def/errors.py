"""What a definition refuses."""

from domain.shared.errors import Kind, RuleBroken


class DefinitionUnknown(RuleBroken):
    """There is no such definition or definition version."""

    kind = Kind.NOT_FOUND
    remedy = "List what there is: GET /api/v1/definitions, or `optaic-mlops definition list`."


class DefinitionVersionExists(RuleBroken):
    """This version was submitted before with other bytes, and its outcome is not a failure."""

    kind = Kind.STATE
    remedy = "Raise the version in definition.toml and submit again."


class DefinitionNotEvaluated(RuleBroken):
    """The evaluation of this version is not done yet."""

    kind = Kind.STATE
    remedy = "Wait for the verdict: GET the definition version until its state is passed or failed."


class DefinitionNotPassed(RuleBroken):
    """This version failed its evaluation."""

    kind = Kind.STATE
    remedy = "Read the evaluation report, mend the package and submit it again."


class DefinitionNotPublished(RuleBroken):
    """Unpublished versions serve only their submitter's own instances in the space staging."""

    kind = Kind.STATE
    remedy = "Ask the definition's owner to publish it, or use it in staging as its submitter."


class DefinitionVersionDeprecated(RuleBroken):
    """No new instance may take a deprecated definition version."""

    kind = Kind.STATE
    remedy = "Use a newer version of the definition."
