"""G11: no secret leaves. Forty canaries are put where secrets live; none is found in what the service writes,
answers, exports or shows.
"""

import io
import json
import zipfile
from pathlib import Path

import pytest

from infrastructure.activity_log import open_readonly
from infrastructure.bootstrap import log_path
from infrastructure.http.run_tokens import RunTokens
from tests.execution.definition_packages import TOML, packed, with_fit
from tests.guarantees.service_world import MANUAL, PARQUET, PRICES, done, instance, prices

VARIABLES = (
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_CLIENT_SECRET", "GOOGLE_API_KEY", "DATABASE_URL"),
    *("PGPASSWORD", "POSTGRES_PASSWORD", "MYSQL_PWD", "REDIS_URL", "KAFKA_SASL_PASSWORD", "SSL_KEY_PASSWORD"),
    *("GITHUB_TOKEN", "GITLAB_TOKEN", "NPM_TOKEN", "PYPI_TOKEN", "TWINE_PASSWORD", "UV_INDEX_PASSWORD"),
    *("SLACK_TOKEN", "SMTP_PASSWORD", "JWT_SIGNING_KEY", "SESSION_SECRET", "LDAP_BIND_PASSWORD"),
    *("MLFLOW_TRACKING_PASSWORD", "PREFECT_API_KEY", "WANDB_API_KEY", "HF_TOKEN", "QUANDL_API_KEY"),
    *("BLOOMBERG_TOKEN", "HTTPS_PROXY", "NETRC_PASSWORD", "VAULT_TOKEN", "KUBE_TOKEN"),
)
PLACES = ("location", "header", "query", "cookie", "basic", "folder", "token key", "service token")
SPYING = """
own = Path("/proc/self")
variables = (own / "environ").read_text().split("\\0")
print("environment {", [one for one in variables if str(Path.cwd()) not in one])
print("arguments", (own / "cmdline").read_bytes())
"""


class Canaries:
    """Forty secrets, none of which may be seen again."""

    def __init__(self) -> None:
        self.of = {
            name: f"canary{number:03}x{number * 7919:x}" for number, name in enumerate(VARIABLES + PLACES)
        }
        assert len(self.of) == 40

    def environment(self) -> dict[str, str]:
        return {name: f"https://user:{self.of[name]}@host" for name in VARIABLES}

    def found_in(self, content: bytes) -> set[str]:
        return {name for name, value in self.of.items() if value.encode() in content}


@pytest.fixture(scope="module")
def canaries():
    return Canaries()


@pytest.fixture(scope="module")
def told(service_zygote, tmp_path_factory, canaries):
    """Everything that a service with secrets around it answered, and its data folder: name → bytes."""
    scratch = tmp_path_factory.mktemp("secrets")
    data = scratch / canaries.of["folder"] / "data"
    vendor = scratch / canaries.of["location"]
    vendor.mkdir()
    (vendor / "rows.csv").write_text("not,what,was,announced\n")
    locations = {"vendor": str(vendor)}
    answers: dict[str, bytes] = {}
    environment = canaries.environment()
    with service_zygote.start(data, slots=1, environment=environment, locations=locations) as service:
        with service.client() as api:
            live(api, packed(scratch / "package", with_fit(SPYING)))
            fail(api, scratch)
            canaries.of["service token"] = json.loads((data / "service.json").read_text())["token"]
            canaries.of["token key"] = (data / "run-tokens.key").read_bytes().hex()
            answers |= refusals(api, canaries) | pages(api, service.url)
        assert service.stop() == 0
    with open_readonly(log_path(data)) as log:
        log.export(data / "export.jsonl")
    return data, answers


def live(api, package):
    """A definition that prints what it can see is evaluated and trained; another run of it fails."""
    columns = [{"name": "close", "type": "float64"}]
    done(api.post("/datasets", json={"name": PRICES, "declaration": {"columns": columns}}))
    form, history = {"Content-Type": PARQUET}, {"backfill": "true"}
    done(api.post(f"/datasets/{PRICES}/versions", content=prices(), headers=form, params=history))
    zipped = {"content": package, "headers": {"Content-Type": "application/zip"}}
    submitted = done(api.post("/definitions", params={"wait": 60}, timeout=90, **zipped))
    assert submitted["definition"]["state"] == "passed", submitted["definition"]["evaluation"]["checks"]
    done(api.post("/instances", json=instance(MANUAL)))
    path, wait = f"/instances/{MANUAL}/runs", {"wait": 60}
    ran = done(api.post(path, json={"kind": "training"}, params=wait, timeout=90))["run"]
    assert ran["state"] == "completed", ran["error"]
    log = api.get(f"/runs/{ran['id']}/logs").text
    assert "environment {" in log, "the spy saw nothing: this proves nothing"
    early = {"kind": "training", "as_of": "2023-01-01T00:00:00Z"}
    assert done(api.post(path, json=early, params=wait, timeout=90))["run"]["state"] == "failed"


def fail(api, scratch):
    """Definitions whose own tests and style fail, so that their reports have places to name."""
    version = {"definition.toml": TOML.replace("1.0.0", "1.0.1")}
    bad = {"tests/test_bad.py": "import os\n\n\ndef test_bad():\n    assert __file__ == 1\n"}
    package = packed(scratch / "bad", {**version, **bad})
    zipped = {"content": package, "headers": {"Content-Type": "application/zip"}}
    submitted = done(api.post("/definitions", params={"wait": 60}, timeout=90, **zipped))
    failed = [check for check in submitted["definition"]["evaluation"]["checks"] if not check["ok"]]
    assert [check["name"] for check in failed] == ["tests", "style"], failed
    assert "package/tests/test_bad.py:1:8: F401" in failed[1]["detail"]


def refusals(api, canaries):
    """Requests with secrets in them that are refused in every way there is."""
    of = canaries.of
    headers = {"Authorization": f"Bearer {of['header']}", "Cookie": f"session={of['cookie']}"}
    located = {"location": "vendor", "key": "rows.csv", "sha256": "0" * 64, "rows": 1}
    missing = {**located, "key": "missing.csv"}
    outside = {**located, "key": "../data/run-tokens.key"}
    known = "2024-06-01T00:00:00Z"
    registration = {
        "dataset": PRICES,
        "knowledge_first": known,
        "knowledge_last": known,
        "producer": {"service": "vendor", "run": "1"},
    }

    def register(file):
        data = {**registration, "files": [file]}
        return {"type": "register_dataset_version", "command_id": str(len(data)), "data": data}

    run = done(api.get("/runs"))["items"][0]["id"]
    return {
        "complete": api.post(f"/runs/{run}/complete", headers=headers, json={}).content,
        "malformed": api.post("/datasets", headers=headers, content=b"{").content,
        "unknown": api.get("/nothing", headers=headers).content,
        "parameter": api.get("/runs", params={"token": of["query"]}).content,
        "type": api.post("/datasets", headers=headers, content=b"x").content,
        "host": api.get("/runs", headers={"Host": "elsewhere", **headers}).content,
        "basic": api.get("/datasets/none", auth=("user", of["basic"])).content,
        **{
            f"located {file['key']}": api.post("/commands", headers=headers, json=register(file)).content
            for file in (located, missing, outside)
        },
    }


def pages(api, url):
    """Every answer that is for looking."""
    texts = {path: api.get(path).content for path in ("/openapi.json", "/activity", "/runs", "/definitions")}
    texts |= {path: api.get(path).content for path in ("/instances", "/versions", "/datasets", "/metrics")}
    texts |= {path: api.get(f"{url}{path}").content for path in ("/", "/api/docs", "/metrics")}
    assert all(texts.values())
    return texts


def contents(path: Path) -> bytes:
    """A file's bytes; a zip's members too."""
    content = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(io.BytesIO(content)) as members:
            content += b"".join(members.read(name) for name in members.namelist())
    return content


def test_no_answer_page_or_error_holds_a_secret(told, canaries):
    _, answers = told
    assert len(answers) >= 15
    assert {name: found for name, text in answers.items() if (found := canaries.found_in(text))} == {}


def test_no_event_view_artifact_export_or_log_holds_a_secret(told, canaries):
    data, _ = told
    kept = {"service.json", "run-tokens.key"}
    files = [path for path in data.rglob("*") if path.is_file() and path.name not in kept]
    assert {"log.sqlite", "views.sqlite", "export.jsonl", "service.log"} <= {path.name for path in files}
    held = {str(path.relative_to(data)): canaries.found_in(contents(path)) for path in files}
    assert {name: found for name, found in held.items() if found} == {}


def test_the_files_that_must_hold_a_secret_are_for_their_owner_only(told):
    data, _ = told
    assert (data / "run-tokens.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("left", [b"", b"half a key"])
def test_a_key_that_was_half_written_when_the_service_was_killed_is_made_anew(tmp_path, left):
    (tmp_path / "run-tokens.key").write_bytes(left)
    tokens = RunTokens.of_folder(tmp_path)
    assert tokens.make("run") != RunTokens(left).make("run")
    assert RunTokens.of_folder(tmp_path).make("run") == tokens.make("run")
    assert (tmp_path / "run-tokens.key").stat().st_mode & 0o077 == 0
