"""What a model version refuses."""

from domain.shared.errors import Kind, RuleBroken


class VersionUnknown(RuleBroken):
    """There is no such model version."""

    kind = Kind.NOT_FOUND
    remedy = "List what there is: GET /api/v1/instances/{name}/versions."


class VersionNotNew(RuleBroken):
    """Only a version in stage `none` can be staged."""

    kind = Kind.STATE
    remedy = "Look at its stage; from staging it is promoted, from archived rolled back."


class VersionNotStaged(RuleBroken):
    """Only a version in staging can be promoted."""

    kind = Kind.STATE
    remedy = "Stage it first (its gate must pass); an archived version comes back by rollback."


class VersionNotArchived(RuleBroken):
    """Only an archived version can be rolled back to."""

    kind = Kind.STATE
    remedy = "Promote a version from staging, or name an archived one."


class VersionAlreadyInProduction(RuleBroken):
    """The version is in production already."""

    kind = Kind.STATE
    remedy = "Nothing to do."


class VersionNeverStaged(RuleBroken):
    """A version that never passed its gate cannot come into production by way of the archive."""

    kind = Kind.STATE
    remedy = "Roll back to a version that was in staging or production before."


class VersionInProduction(RuleBroken):
    """A production version's artifact is needed."""

    kind = Kind.STATE
    remedy = "Archive the version first, or force the purge with a reason."


class VersionPurgedAlready(RuleBroken):
    """The artifact of this version was purged: it cannot serve any more."""

    kind = Kind.GONE
    remedy = "Choose another version, or train a new one."
