"""What a webhook refuses."""

from domain.shared.errors import Kind, RuleBroken


class WebhookUrlMalformed(RuleBroken):
    """The webhook's address is not an https address without user and password."""

    kind = Kind.MALFORMED
    remedy = "Set OPTAIC_MLOPS_WEBHOOK_URL to https://host/path; credentials do not belong into it."


class WebhookSecretMalformed(RuleBroken):
    """The webhook has no secret, or one that is not `whsec_` and base64 of 24 to 64 bytes."""

    kind = Kind.MALFORMED
    remedy = "Set OPTAIC_MLOPS_WEBHOOK_SECRET to what the receiver gave: whsec_ and base64 of 24 to 64 bytes."


class WebhookAddressPrivate(RuleBroken):
    """The webhook's host is, or resolves to, an address that is not public: nothing is sent there."""

    kind = Kind.FORBIDDEN
    remedy = "Name a host whose addresses are all public."


class WebhookNotDelivered(RuleBroken):
    """The receiver did not answer with 2xx in any of the attempts; the alert itself is not affected."""

    kind = Kind.UNAVAILABLE
    remedy = "Look at the receiver; what was missed stands in GET /api/v1/alerts."
