"""The webhook: signed, told once an event, tried again, and never to an address that is not public."""

import base64
import hmac
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from application.policies import POLICIES
from application.policies.runner import PolicyRunner
from domain.alert.commands import ResolveAlert
from domain.alert.events import AlertRaised
from infrastructure.settings import Settings
from infrastructure.webhooks.addresses import resolved, target_of
from infrastructure.webhooks.delivery import Webhook, webhook_of
from infrastructure.webhooks.errors import (
    WebhookAddressPrivate,
    WebhookNotDelivered,
    WebhookSecretMalformed,
    WebhookUrlMalformed,
)
from infrastructure.webhooks.signing import key_of, signed_headers
from infrastructure.webhooks.teller import Teller
from tests.alerts.alert_desk import AlertDesk, rule
from tests.alerts.receiver import receiving
from tests.support.processes import wait_until

KEY = bytes(range(24))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def here(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def webhook(desk: AlertDesk, port: int, **changes: Any) -> Webhook:
    given: dict[str, Any] = {"allow_private": True, "pauses_s": (0.0, 0.0), "resolve": here} | changes
    return Webhook(url=f"http://receiver.test:{port}/hook?a=b", key=KEY, clock=desk.clock, **given)


def teller(desk: AlertDesk, port: int, **changes: Any) -> Teller:
    return Teller(webhook(desk, port, **changes), desk.policies(), desk.progress())


def raised(desk: AlertDesk) -> AlertRaised:
    desk.ruled(rule())
    desk.drifted(0.75)
    return desk.raised()[-1]


def test_a_signature_is_what_the_standard_shows():
    """The example of the specification's own libraries: secret, id, time and body as there."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_alert_is_told_signed_and_under_its_event_id(desk: AlertDesk):
    with receiving() as receiver:
        told = teller(desk, receiver.port)
        told.start()
        try:
            alert = raised(desk)
            desk.send(ResolveAlert(alert_id=alert.alert_id))
            first, second = receiver.wait_for(2)
        finally:
            told.stop()
    assert (first.path, first.headers["host"]) == ("/hook?a=b", f"receiver.test:{receiver.port}")
    signed = f"{first.headers['webhook-id']}.{first.headers['webhook-timestamp']}.".encode() + first.body
    expected = base64.b64encode(hmac.new(KEY, signed, sha256).digest()).decode()
    assert first.headers["webhook-signature"] == f"v1,{expected}"
    body = json.loads(first.body)
    assert (body["type"], body["data"]["event"]["alert_id"]) == ("alert.raised", alert.alert_id)
    assert body["data"]["event"]["rule"]["threshold"] == 0.5
    (recorded,) = [one for one in desk.since(0) if isinstance(one.event, AlertRaised)]
    assert first.headers["webhook-id"] == str(recorded.event_id)
    assert json.loads(second.body)["type"] == "alert.resolved"


def test_a_receiver_that_fails_is_tried_again_with_the_same_id(desk: AlertDesk):
    with receiving((500, 302, 200)) as receiver:
        told = teller(desk, receiver.port)
        told.start()
        try:
            raised(desk)
            messages = receiver.wait_for(3)
        finally:
            told.stop()
    assert len({one.headers["webhook-id"] for one in messages}) == 1
    assert {one.path for one in messages} == {"/hook?a=b"}, "a redirect is not followed"


def test_after_the_last_attempt_the_next_alert_has_its_turn(desk: AlertDesk):
    with receiving((500, 500, 500, 204)) as receiver:
        told = teller(desk, receiver.port)
        told.start()
        try:
            alert = raised(desk)
            desk.send(ResolveAlert(alert_id=alert.alert_id))
            messages = receiver.wait_for(4)
        finally:
            told.stop()
    assert json.loads(messages[-1].body)["type"] == "alert.resolved"


def test_a_stop_breaks_a_pause_off_and_the_alert_is_told_after_the_next_start(desk: AlertDesk):
    with receiving((503,)) as receiver:
        told = teller(desk, receiver.port, pauses_s=(3600.0,))
        told.start()
        raised(desk)
        receiver.wait_for(1)
        told.stop()
    with receiving() as receiver:
        told = teller(desk, receiver.port)
        told.start()
        try:
            receiver.wait_for(1)
        finally:
            told.stop()


def test_a_receiver_that_is_away_holds_up_no_policy(desk: AlertDesk):
    with receiving() as receiver:
        closed = receiver.port
    desk.ruled(rule())
    told = teller(desk, closed, pauses_s=(3600.0,))
    policies = PolicyRunner(POLICIES, desk.policies(), desk.progress("policies"))
    told.start()
    policies.start()
    try:
        for value in (0.9, 0.1, 0.9):
            desk.measured({"drift.share": value}, follow=False)
        wait_until(lambda: desk.told() == ["raised", "resolved", "raised"], "the policies act")
    finally:
        policies.stop()
        told.stop()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.9",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
    ],
)
def test_nothing_is_sent_to_an_address_that_is_not_public(address: str):
    for found in ([address], ["93.184.215.14", address]):
        with pytest.raises(WebhookAddressPrivate):
            target_of("https://receiver.test/hook", resolve=lambda _host, _port, found=found: found)


def test_the_address_that_was_judged_is_the_one_that_is_connected_to():
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return ["93.184.215.14"]

    target = target_of("https://Receiver.test/hook?x=1", resolve=resolve)
    assert (target.url, target.host) == ("https://93.184.215.14:443/hook?x=1", "receiver.test")
    assert target.authority == "receiver.test"
    assert asked == [("receiver.test", 443)]
    literal = target_of("https://[2606:2800:21f:cb07::1]:8443", resolve=resolved)
    assert literal.url == "https://[2606:2800:21f:cb07::1]:8443/"
    assert literal.authority == "[2606:2800:21f:cb07::1]:8443"


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "[::1]", "0x7f.1"])
def test_names_of_this_machine_are_refused_however_they_are_written(host: str):
    with pytest.raises((WebhookAddressPrivate, WebhookNotDelivered)):
        target_of(f"https://{host}/hook")


def test_a_private_address_is_logged_and_passed_over_at_once(
    desk: AlertDesk, caplog: pytest.LogCaptureFixture
):
    with receiving() as receiver:
        told = webhook(desk, receiver.port, allow_private=False, pauses_s=(3600.0,))
        raised(desk)
        for recorded in desk.since(0):
            told(recorded, desk.policies())
        assert receiver.got == []
    assert "is not sent" in caplog.text


def test_a_host_without_an_address_is_not_delivered_to():
    def resolve(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    for answer in (resolve, lambda _host, _port: []):
        with pytest.raises(WebhookNotDelivered):
            target_of("https://receiver.test/", resolve=answer)


def settings(tmp_path: Path, **changes: Any) -> Settings:
    return Settings(data=tmp_path, **changes)


def test_without_an_address_there_is_no_webhook(tmp_path: Path, desk: AlertDesk):
    assert webhook_of(settings(tmp_path), desk.clock) is None


@pytest.mark.parametrize(
    "url",
    ["http://a.test/", "ftp://a.test/", "https://", "a.test", "https://u:p@a.test/", "https://a.test:x/"],
)
def test_an_address_that_is_not_https_is_refused_at_the_start(tmp_path: Path, desk: AlertDesk, url: str):
    with pytest.raises(WebhookUrlMalformed):
        webhook_of(settings(tmp_path, webhook_url=url, webhook_secret=SecretStr(SECRET)), desk.clock)


@pytest.mark.parametrize(
    "secret", [None, "", "abc", "whsec_!", "whsec_" + base64.b64encode(b"x" * 8).decode()]
)
def test_a_webhook_without_a_proper_secret_is_refused_and_the_secret_not_shown(
    tmp_path: Path, desk: AlertDesk, secret: str | None
):
    given = settings(
        tmp_path, webhook_url="https://a.test/", webhook_secret=None if secret is None else SecretStr(secret)
    )
    with pytest.raises(WebhookSecretMalformed) as caught:
        webhook_of(given, desk.clock)
    assert not secret or secret not in caught.value.detail
    made = webhook_of(
        settings(tmp_path, webhook_url="https://a.test/", webhook_secret=SecretStr(SECRET)), desk.clock
    )
    assert made is not None
    assert repr(KEY) not in repr(made)
