"""What the door refuses. Who is not let in learns why only as far as the key in hand is its own."""

from domain.shared.errors import Kind, RuleBroken


class AccessKeyMissing(RuleBroken):
    """This service lets nobody in without an API key."""

    kind = Kind.UNAUTHENTICATED
    remedy = (
        "Send `Authorization: Bearer <key>`; SDK and command line take it from OPTAIC_MLOPS_API_KEY. "
        "An operator grants keys; the first comes from `optaic-mlops access bootstrap`."
    )


class AccessKeyInvalid(RuleBroken):
    """This is no API key, or not one that opens this service."""

    kind = Kind.UNAUTHENTICATED
    remedy = (
        "Compare it with what was shown when it was granted: optaic_…, 67 characters; or ask for another."
    )


class AccessKeyExpired(RuleBroken):
    """The API key was good until its time was over."""

    kind = Kind.UNAUTHENTICATED
    remedy = "Ask an operator for a new key: `optaic-mlops access grant`."


class AccessKeyRevoked(RuleBroken):
    """The API key was revoked."""

    kind = Kind.UNAUTHENTICATED
    remedy = "Ask an operator for a new key: `optaic-mlops access grant`."


class AccessRoleMissing(RuleBroken):
    """The API key is good, but its role may not do this."""

    kind = Kind.FORBIDDEN
    remedy = "Use a key with the role that `facts.role_needed` names, or ask an operator to grant one."


class AccessRouteClosed(RuleBroken):
    """No role may use this address: it stands in no table of who may what."""

    kind = Kind.FORBIDDEN
    remedy = "Use one of the addresses that /api/docs lists."


class AccessUnchecked(RuleBroken):
    """The service could not look whether the key still holds, so it lets nobody in."""

    kind = Kind.UNAVAILABLE
    remedy = "Wait as Retry-After says and send the same request again; the database may be away."
