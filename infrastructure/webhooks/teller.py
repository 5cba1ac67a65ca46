"""The thread that tells a webhook of alerts, and where it goes on."""

from application.policies.context import PolicyContext
from application.policies.runner import PolicyRunner, Progress
from infrastructure.settings import Settings
from infrastructure.webhooks.delivery import TOLD, Webhook, webhook_of


class Teller:
    """Follows the log for one receiver; without one it does nothing."""

    def __init__(self, webhook: Webhook | None, context: PolicyContext, progress: Progress) -> None:
        self._webhook = webhook
        self._runner = (
            None if webhook is None else PolicyRunner(dict.fromkeys(TOLD, (webhook,)), context, progress)
        )

    def start(self) -> None:
        """Begin where it stopped; at the head of a log that is new to it."""
        if self._runner is not None:
            self._runner.start()

    def stop(self) -> None:
        """Break a pause off and end; what was not told is told after the next start."""
        if self._webhook is not None and self._runner is not None:
            self._webhook.stopping.set()
            self._runner.stop()


def teller_of(settings: Settings, context: PolicyContext, progress: Progress) -> Teller:
    """The teller of the receiver that the settings name. Raises WebhookUrlMalformed,
    WebhookSecretMalformed.
    """
    return Teller(webhook_of(settings, context.services.clock), context, progress)
