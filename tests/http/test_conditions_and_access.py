"""If-Match, Idempotency-Key, tokens of workers, hosts, origins, limits, and what happens when all fails."""

from pathlib import Path

import pytest

from infrastructure.http.app import create_app
from infrastructure.views import Views
from tests.http.life import API, CSV, PRICES, Life, living, served

BODY = {"name": "us-prices", "declaration": {"columns": [{"name": "close", "type": "float64"}]}}


def test_a_stale_etag_is_refused_and_the_present_one_taken(life: Life):
    life.ready_instance()
    url = f"{API}/instances/spx-alpha"
    etag = life.client.get(url, params={"after": life.head()}).headers["ETag"]
    first = life.client.patch(url, json={"description": "one"}, headers={"If-Match": etag})
    assert first.status_code == 200
    stale = life.client.patch(url, json={"description": "two"}, headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stream.version_stale")
    assert stale.json()["facts"]["current"] == int(first.headers["ETag"].strip('"'))
    again = life.client.patch(url, json={"description": "two"}, headers={"If-Match": first.headers["ETag"]})
    assert again.status_code == 200


@pytest.mark.parametrize("etag", ["5", 'W/"5"', '"x"', '"1", "2"'])
def test_a_malformed_etag_is_refused(life: Life, etag: str):
    answer = life.client.post(f"{API}/datasets", json=BODY, headers={"If-Match": etag})
    assert (answer.status_code, answer.json()["code"]) == (400, "request.parameter_malformed")
    assert life.head() == 0


def test_an_etag_where_nothing_exists_is_stale(life: Life):
    answer = life.client.post(f"{API}/datasets", json=BODY, headers={"If-Match": '"3"'})
    assert answer.status_code == 412


def test_the_same_key_returns_the_first_outcome(life: Life):
    headers = {"Idempotency-Key": "create-1"}
    first = life.client.post(f"{API}/datasets", json=BODY, headers=headers)
    again = life.client.post(f"{API}/datasets", json=BODY, headers=headers)
    assert (first.status_code, again.status_code, life.head()) == (201, 201, 1)
    assert again.json() == {**first.json(), "repeated": True}


def test_the_same_key_with_another_body_is_refused(life: Life):
    headers = {"Idempotency-Key": "create-1"}
    life.client.post(f"{API}/datasets", json=BODY, headers=headers)
    other = life.client.post(f"{API}/datasets", json={**BODY, "name": "other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "command.id_reused")
    assert life.head() == 1


def test_the_same_key_returns_the_first_refusal_even_when_it_would_pass_now(life: Life):
    headers = {"Idempotency-Key": "early"}
    life.dataset()
    wish = {"name": "aa", "definition": "toy-signal@1.0.0", "training_datasets": [{"dataset": "us-prices"}]}
    assert life.client.post(f"{API}/instances", json=wish, headers=headers).status_code == 404
    life.definition()
    assert life.client.post(f"{API}/instances", json=wish, headers=headers).status_code == 404
    assert life.client.post(f"{API}/instances", json=wish).status_code == 201


def test_an_upload_repeats_safely(life: Life):
    life.dataset()
    headers = {**CSV, "Idempotency-Key": "rows-1"}
    url = f"{API}/datasets/us-prices/versions"
    first = life.client.post(url, content=PRICES, headers=headers)
    again = life.client.post(url, content=PRICES, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["repeated"] is True
    assert life.prices(status=200)["outcome"] == "unchanged"
    assert life.head() == 2


@pytest.mark.parametrize("mark", ["7c9e6679-7425-40de-944b-e07fc1f90ae7", "odd"])
def test_a_request_may_name_what_it_follows_from(life: Life, mark: str):
    life.client.post(f"{API}/datasets", json=BODY, headers={"X-Causation-Id": mark})
    assert life.get("/activity/1", after=1)["causation_id"] == (None if mark == "odd" else mark)


def test_a_request_names_its_correlation_and_events_carry_it(life: Life):
    mark = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    answer = life.client.post(f"{API}/datasets", json=BODY, headers={"X-Correlation-Id": mark})
    assert answer.headers["X-Correlation-Id"] == mark
    assert life.get("/activity/1", after=1)["correlation_id"] == mark
    refused = life.client.post(f"{API}/datasets", json=BODY, headers={"X-Correlation-Id": mark})
    assert refused.json()["correlation_id"] == mark


def test_one_worker_wins_and_only_its_token_speaks_for_the_run(life: Life):
    life.ready_instance()
    first, second = life.submit(), life.submit()
    token = life.claim(first)
    assert life.post(f"/runs/{first}/start", {"worker": "late"}, 409)["code"] == "run.already_claimed"
    foreign = life.claim(second)
    points = {"points": [{"name": "loss", "step": 0, "value": 1.0}]}
    for headers in (
        None,
        foreign,
        {"Authorization": "Bearer x"},
        {"Authorization": token["Authorization"][7:]},
    ):
        calls = (("metrics", points), ("progress", {"fraction": 1}), ("complete", {}), ("fail", {}))
        for verb, body in calls:
            assert life.post(f"/runs/{first}/{verb}", body, 403, headers)["code"] == "run.token_invalid"
    life.post(f"/runs/{first}/metrics", points, 201, token)


def test_a_second_completion_is_refused(life: Life):
    life.ready_instance()
    life.promoted()
    run_id = life.submit(kind="inference", as_of="2024-03-11T22:00:00Z")
    token = life.claim(run_id)
    life.post(f"/runs/{run_id}/fail", {"code": "x.y", "message": "no"}, 200, token)
    again = life.post(f"/runs/{run_id}/complete", {"output_sha256": "0" * 64}, 409, token)
    assert again["code"] == "run.already_finished"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "127.0.0.1:80", "localhost.evil.example:{port}", "", "[::2]:{port}", "::1"],
)
def test_foreign_hosts_are_refused(lived: Life, host: str):
    host = host.format(port=lived.client.base_url.port)
    for path in ("/", "/api/docs", "/metrics", f"{API}/health", f"{API}/activity/stream"):
        answer = lived.client.get(path, headers={"Host": host})
        assert (answer.status_code, answer.json()["code"]) == (403, "host.not_allowed")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_names_of_this_machine_are_taken(lived: Life, host: str):
    headers = {"Host": f"{host}:{lived.client.base_url.port}"}
    assert lived.client.get(f"{API}/health", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
def test_writes_that_another_site_started_are_refused(life: Life, headers: dict[str, str]):
    answer = life.client.post(f"{API}/datasets", json=BODY, headers=headers)
    assert (answer.status_code, answer.json()["code"], life.head()) == (403, "origin.not_allowed", 0)
    own = {"Origin": str(life.client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert life.client.post(f"{API}/datasets", json=BODY, headers=own).status_code == 201


def test_uploads_have_a_limit_and_leave_nothing(tmp_path: Path):
    with living(tmp_path / "data", upload_bytes_max=2048) as life:
        stores = (f"{API}/blobs", {}), (f"{API}/definitions", {"Content-Type": "application/zip"})
        for url, headers in stores:
            answer = life.client.post(url, content=b"x" * 2049, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")
            chunked = life.client.post(url, content=iter([b"x" * 1500, b"x" * 1500]), headers=headers)
            assert chunked.status_code == 413
        assert life.client.post(f"{API}/blobs", content=b"x" * 2048).status_code == 201
        assert not list((tmp_path / "data" / "uploads").iterdir())


def test_a_view_that_is_behind_says_when_to_ask_again(tmp_path: Path):
    with living(tmp_path / "data", wait_s_max=0.05) as life:
        views = life.service.views
        assert isinstance(views, Views)
        views.projector.close()
        life.dataset()
        answer = life.client.get(f"{API}/datasets/us-prices", params={"after": 1})
        assert (answer.status_code, answer.json()["code"]) == (503, "projection.behind")
        assert answer.headers["Retry-After"] == "1"
        assert life.client.get(f"{API}/ready").status_code == 503


def test_a_failure_of_ours_is_a_problem_without_a_traceback(life: Life, caplog: pytest.LogCaptureFixture):
    app = create_app(life.service, life.service.settings)

    @app.get("/broken")
    def broken() -> None:
        raise ZeroDivisionError("secret detail")

    with served(app) as client:
        answer = client.get("/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "service.internal_error")
    assert "secret detail" not in answer.text
    assert answer.json()["correlation_id"] in caplog.text
    assert "ZeroDivisionError" in caplog.text
