"""What an instance refuses."""

from domain.shared.errors import Kind, RuleBroken


class InstanceUnknown(RuleBroken):
    """There is no such instance."""

    kind = Kind.NOT_FOUND
    remedy = "List what there is: GET /api/v1/instances, or `optaic-mlops instance list`."


class InstanceExists(RuleBroken):
    """An instance has this name; names are identity and never freed."""

    kind = Kind.STATE
    remedy = "Choose another name, or update the instance that exists."


class InstanceClosed(RuleBroken):
    """The instance is archived, which is final."""

    kind = Kind.STATE
    remedy = "Create a new instance."


class InstanceDatasetsMissing(RuleBroken):
    """The definition asks for input roles that no bound dataset fills, or two datasets have the same role."""

    remedy = "Bind one dataset to each role that the definition's [[inputs]] name."


class InstanceHyperParametersInvalid(RuleBroken):
    """The hyper-parameters do not fit the definition's JSON Schema."""

    remedy = "Compare them with the schema of the definition: GET /api/v1/definitions/{name}/{version}."


class InstanceConfigInvalid(RuleBroken):
    """A value of the configuration cannot work: an unknown calendar, zone, cron line, or a policy without a
    metric.
    """

    remedy = "Correct the field that the detail names."


class InstanceNoActiveVersion(RuleBroken):
    """Inference was asked for without a model version, and none is in production."""

    kind = Kind.STATE
    remedy = "Promote a version, or name one: model_version."


class InstanceNoFormerVersion(RuleBroken):
    """There is no former production version to roll back to."""

    kind = Kind.STATE
    remedy = "Name the archived version to roll back to."


class InstanceExternalRefused(RuleBroken):
    """Versions trained elsewhere are refused in the space official."""

    remedy = "Train it with a run of the instance, or keep the instance in staging."
