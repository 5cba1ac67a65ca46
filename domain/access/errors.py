"""What a tenant's access refuses."""

from domain.shared.errors import Kind, RuleBroken


class AccessKeyUnknown(RuleBroken):
    """The tenant has given out no key of this id."""

    kind = Kind.NOT_FOUND
    remedy = "List what there is: GET /api/v1/access/keys, or `optaic-mlops access list`."


class AccessKeyExists(RuleBroken):
    """A key of this id, or of this secret, was given out before; neither is ever used again."""

    kind = Kind.STATE
    remedy = "Grant again: a new key is made each time."


class AccessExpiryPast(RuleBroken):
    """A key cannot be given out that has expired already."""

    remedy = "Name a later `expires_at`, or leave it out."


class AccessBootstrapped(RuleBroken):
    """The tenant has a live operator key, so its access is managed with that one."""

    kind = Kind.STATE
    remedy = (
        "Grant more keys with it: `optaic-mlops access grant`; if it is lost, revoke or outlive it first."
    )
