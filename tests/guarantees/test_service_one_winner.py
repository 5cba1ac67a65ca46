"""G8 over HTTP: of many who promote at once one wins, and at no position two versions are in production."""

import random
import threading

import httpx

from tests.guarantees.service_checks import Ledger, check_folder, joined
from tests.guarantees.service_clients import Client, command, trained
from tests.guarantees.service_world import MANUAL, done

PROMOTERS = 8


def some_versions(api, count: int) -> None:
    chance = random.Random(8)

    def script():
        while True:
            yield from trained(chance, MANUAL, 0.9)

    training = Client(script())
    training.play(api, lambda: sum("/complete" in sent.path for sent in training.sent) >= count)
    seen = {"after": training.sent[-1].position}
    assert len(done(api.get(f"/instances/{MANUAL}/versions", params=seen))["items"]) == count


def all_at_once(service, requests):
    """Send each request from a thread of its own, at the same moment; the answers in the same order."""
    answers: dict[int, httpx.Response] = {}
    ready = threading.Barrier(len(requests))

    def send(number, request):
        with service.client() as api:
            api.get("/health")
            ready.wait(30)
            answers[number] = request(api)

    threads = [threading.Thread(target=send, args=each) for each in enumerate(requests)]
    for thread in threads:
        thread.start()
    joined(threads)
    return [answers[number] for number in range(len(requests))]


def promotion(number, **more):
    data = {"instance": MANUAL, "number": number}
    body = command("promote_version", data, reason=f"promoter {number} thinks so", **more).body["json"]
    return lambda api: api.post("/commands", json=body)


def in_production(api, answers):
    """Numbers in production once the views have seen what was answered."""
    seen = {"after": max(answer.json()["position"] for answer in answers if answer.is_success)}
    versions = done(api.get(f"/instances/{MANUAL}/versions", params={"stage": "production", **seen}))
    return [one["number"] for one in versions["items"]]


def test_of_many_promoters_who_saw_the_same_instance_one_wins(service_zygote, data):
    with service_zygote.start(data) as service, service.client() as api:
        some_versions(api, PROMOTERS)
        seen = done(api.get(f"/instances/{MANUAL}"))["stream_version"]
        same = {"expected_versions": {f"model_instance:{MANUAL}": seen}}
        answers = all_at_once(service, [promotion(number, **same) for number in range(1, PROMOTERS + 1)])
        won = [number for number, answer in enumerate(answers, 1) if answer.is_success]
        assert len(won) == 1
        assert {answer.status_code for answer in answers if not answer.is_success} == {412}
        assert in_production(api, answers) == won
        assert service.stop() == 0
    ledger = Ledger(data)
    ledger.read_on()
    assert [event.action for event in ledger.events].count("model_version.promoted") == 1


def test_of_many_who_promote_the_same_version_one_is_told_that_it_did(service_zygote, data):
    with service_zygote.start(data) as service, service.client() as api:
        some_versions(api, 1)
        answers = all_at_once(service, [promotion(1)] * PROMOTERS)
        assert all(answer.is_success for answer in answers), "one command id has one outcome"
        assert sum(not answer.json()["repeated"] for answer in answers) == 1
        others = all_at_once(service, [promotion(1) for _ in range(PROMOTERS)])
        assert {answer.status_code for answer in others} == {409}
        assert in_production(api, answers) == [1]


def test_promoters_who_follow_each_other_leave_one_version_in_production_at_every_position(
    service_zygote, data
):
    with service_zygote.start(data) as service, service.client() as api:
        some_versions(api, PROMOTERS)
        answers = all_at_once(service, [promotion(number) for number in range(1, PROMOTERS + 1)])
        assert all(answer.is_success for answer in answers)
        newest = max(answers, key=lambda answer: answer.json()["position"])
        assert in_production(api, answers) == [answers.index(newest) + 1]
        for answer in answers:
            at = {"as_of": answer.json()["position"], "stage": "production"}
            found = done(api.get(f"/instances/{MANUAL}/versions", params=at))["items"]
            assert [one["number"] for one in found] == [answers.index(answer) + 1]
        service.settle_policies()
        assert service.stop() == 0
    ledger = Ledger(data)
    ledger.read_on()
    ledger.check_production()
    check_folder(data, ledger)
