"""Signatures of Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`, base64, after `v1,`."""

import base64
import binascii
import hmac
from hashlib import sha256

from infrastructure.webhooks.errors import WebhookSecretMalformed

_PREFIX = "whsec_"
_BYTES_MIN, _BYTES_MAX = 24, 64


def key_of(secret: str | None) -> bytes:
    """The bytes of a secret; raises WebhookSecretMalformed, which never shows it."""
    if not secret or not secret.startswith(_PREFIX):
        raise WebhookSecretMalformed(f"the webhook's secret does not begin with {_PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise WebhookSecretMalformed("the webhook's secret is not base64") from None
    if not _BYTES_MIN <= len(key) <= _BYTES_MAX:
        raise WebhookSecretMalformed(f"the webhook's secret has {len(key)} bytes, not 24 to 64")
    return key


def signed_headers(key: bytes, message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers of a message. The same message has the same id at every attempt."""
    content = f"{message_id}.{timestamp_s}.".encode() + body
    signature = base64.b64encode(hmac.new(key, content, sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": f"v1,{signature}",
    }
