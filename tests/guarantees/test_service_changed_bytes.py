"""G11 over HTTP: a changed model file is neither shown nor used; who used it registers nothing."""

import pytest

from infrastructure.activity_log import open_activity_log, open_readonly
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.artifacts.store import FolderArtifactStore
from infrastructure.bootstrap import artifacts_path, datasets_path, log_path
from infrastructure.calendars import ExchangeSessions
from infrastructure.datasets.store import FolderDatasetStore
from infrastructure.verification import verify_all
from tests.guarantees.service_world import MANUAL, done

TRAINING = {"kind": "training"}
PREDICTION = {"kind": "inference", "first": "2024-03-25", "last": "2024-03-29"}


@pytest.fixture
def service(service_zygote, data):
    with service_zygote.start(data, slots=1) as started:
        yield started


@pytest.fixture
def api(service):
    with service.client() as client:
        yield client


def run(api, body):
    wanted = {"json": body, "params": {"wait": 60}, "timeout": 90}
    return done(api.post(f"/instances/{MANUAL}/runs", **wanted))["run"]


def in_production(api):
    """A trained version in production."""
    trained = run(api, {"kind": "training", "as_of": "2024-03-20T22:00:00Z"})
    assert trained["state"] == "completed", trained["error"]
    ref = f"{MANUAL}@{trained['model_version']}"
    done(api.post(f"/versions/{ref}/promote", json={"reason": "the first"}))
    return done(api.get(f"/versions/{ref}"))


def change_a_byte(data, sha256):
    path = artifacts_path(data) / "objects" / sha256[:2] / sha256[2:]
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def test_a_changed_model_file_is_refused_to_who_asks_for_it(service, api):
    version = in_production(api)
    path = f"/versions/{version['ref']}/artifact"
    assert api.get(path).headers["X-Content-SHA256"] == version["artifact_sha256"]
    change_a_byte(service.data, version["artifact_sha256"])
    answer = api.get(path)
    assert (answer.status_code, answer.json()["code"]) == (409, "artifact.hash_mismatch")


def test_inference_with_a_changed_model_file_fails_and_registers_nothing(service, api):
    version = in_production(api)
    assert run(api, PREDICTION)["state"] == "completed"
    change_a_byte(service.data, version["artifact_sha256"])
    failed = run(api, {**PREDICTION, "first": "2024-03-22"})
    assert (failed["state"], failed["error"]["code"]) == ("failed", "artifact.hash_mismatch")
    written = done(api.get(f"/datasets/{MANUAL}-predictions/versions"))["items"]
    assert [one["number"] for one in written] == [1]
    assert service.stop() == 0
    with open_activity_log(log_path(service.data), SystemClock()) as log:
        artifacts = FolderArtifactStore(artifacts_path(service.data))
        datasets = FolderDatasetStore(datasets_path(service.data), zone_of=ExchangeSessions().zone)
        (problem,) = verify_all(log, None, artifacts, datasets).problems
    assert "artifact.hash_mismatch" in problem
    assert version["artifact_sha256"] in problem


def test_a_service_that_finds_changed_bytes_at_its_start_still_answers_about_the_past(
    service_zygote, service, api
):
    version = in_production(api)
    service.kill()
    service.wait()
    change_a_byte(service.data, version["artifact_sha256"])
    with service_zygote.start(service.data) as again, again.client() as client:
        assert done(client.get(f"/versions/{version['ref']}"))["stage"] == "production"
        assert client.get(f"/versions/{version['ref']}/artifact").status_code == 409
    with open_readonly(log_path(service.data)) as log:
        assert log.verify().problem is None
