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


class InstanceCronInvalid(RuleBroken):
    """A schedule's cron line cannot be read, or names a day that never comes."""

    remedy = "Give five fields, minute hour day-of-month month day-of-week, such as `30 22 * * 1-5`."


class InstanceTimezoneUnknown(RuleBroken):
    """A schedule is in a time zone that there is not."""

    remedy = "Use an IANA name such as America/New_York, Europe/Berlin or UTC."


class InstanceScheduleInvalid(RuleBroken):
    """A schedule has a cron line or the dataset that it follows, one of the two, and is there once."""

    remedy = "Give either `cron` (with `timezone`) or `after_dataset`, and each schedule once."


class InstanceScheduleCycle(RuleBroken):
    """An inference that follows its own output, directly or through other instances, would never end."""

    remedy = "Let the schedule follow a dataset that this instance does not feed, or use a cron line."
