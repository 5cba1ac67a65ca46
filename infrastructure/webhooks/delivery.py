"""Tells an address outside of each alert, in the log's order, in a thread of its own.

It follows the log as the policies do, with a progress of its own: a receiver that is slow or away holds up
nothing but itself. After the last attempt a message is logged and passed over.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from application.policies.context import PolicyContext
from application.ports import Clock
from domain.alert.events import AlertAcknowledged, AlertRaised, AlertResolved
from domain.shared.activity import RecordedEvent
from domain.shared.errors import RuleBroken
from domain.shared.times import from_micros
from infrastructure.settings import Settings
from infrastructure.webhooks.addresses import Resolve, checked_url, resolved, target_of
from infrastructure.webhooks.errors import WebhookAddressPrivate, WebhookNotDelivered, WebhookUrlMalformed
from infrastructure.webhooks.signing import key_of, signed_headers

PAUSES_S = (1.0, 5.0, 30.0, 120.0, 600.0)
"""Between the attempts: six in a good twelve minutes."""
TIMEOUT_S = 10.0
TOLD = (AlertRaised, AlertAcknowledged, AlertResolved)
_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """One receiver. `tell` is a policy: it is given each alert's event and returns when it was told."""

    url: str
    key: bytes = field(repr=False)
    clock: Clock
    allow_private: bool = False
    pauses_s: Sequence[float] = PAUSES_S
    resolve: Resolve = resolved
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def __name__(self) -> str:
        """The runner logs policies by name."""
        return "webhook"

    def __call__(self, recorded: RecordedEvent, _context: PolicyContext) -> None:
        """Tell the receiver, with a growing pause between attempts. Raises WebhookNotDelivered only when
        stopped in between: the event is told after the next start.
        """
        if not isinstance(recorded.event, TOLD):
            return
        body = body_of(recorded)
        for pause in (*self.pauses_s, None):
            try:
                self.send(str(recorded.event_id), body)
            except (WebhookAddressPrivate, WebhookUrlMalformed) as refused:
                _log.error("webhook: position %d is not sent: %s", recorded.position, refused.detail)
                return
            except RuleBroken as failed:
                _log.warning("webhook: position %d: %s", recorded.position, failed.detail)
                if pause is not None and self.stopping.wait(pause):
                    raise
            else:
                return
        _log.error("webhook: position %d was given up", recorded.position)

    def send(self, message_id: str, body: bytes) -> None:
        """One attempt. Raises WebhookNotDelivered, WebhookAddressPrivate, WebhookUrlMalformed."""
        import httpx

        target = target_of(self.url, allow_private=self.allow_private, resolve=self.resolve)
        headers = signed_headers(self.key, message_id, int(self.clock.now().timestamp()), body)
        headers |= {"Host": target.authority, "Content-Type": "application/json"}
        try:
            with (
                httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client,
                client.stream(
                    "POST",
                    target.url,
                    content=body,
                    headers=headers,
                    extensions={"sni_hostname": target.host},
                ) as answer,
            ):
                status = answer.status_code
        except httpx.HTTPError as error:
            raise WebhookNotDelivered(f"{target.host}: {type(error).__name__}") from None
        if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's word for done
            raise WebhookNotDelivered(f"{target.host} answered {status}")


def body_of(recorded: RecordedEvent) -> bytes:
    """What is told: type, time, and the alert's event with its place in the log."""
    return _encode(
        {
            "type": recorded.action,
            "timestamp": from_micros(recorded.recorded_at_us),
            "data": {
                "tenant": recorded.tenant,
                "position": recorded.position,
                "reason": recorded.reason,
                "event": recorded.event,
            },
        }
    )


def webhook_of(settings: Settings, clock: Clock) -> Webhook | None:
    """The receiver that the settings name. Raises WebhookUrlMalformed, WebhookSecretMalformed."""
    if settings.webhook_url is None:
        return None
    allow_private = settings.webhook_allow_private
    checked_url(settings.webhook_url, allow_private=allow_private)
    secret = settings.webhook_secret
    key = key_of(secret.get_secret_value() if secret else None)
    return Webhook(url=settings.webhook_url, key=key, clock=clock, allow_private=allow_private)
