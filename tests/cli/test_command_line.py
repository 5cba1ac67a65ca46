"""Commands against a real service over HTTP: what they print, and how they end."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import Ran, here, optaic
from tests.http.life import PRICES, Life, living, package
from tests.support.sandboxes import LEVELS, bubblewrap


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    with living(tmp_path_factory.mktemp("cli") / "data") as one:
        one.ready_instance()
        one.promoted(reason="first")
        one.promoted(reason="second")
        one.inferred()
        yield one


def at(life: Life, *arguments: str) -> Ran:
    return here(*arguments, "--url", str(life.client.base_url).rstrip("/"))


def test_lists_are_tab_separated_lines_without_colour_when_piped(lived: Life):
    ran = at(lived, "version", "list", "spx-alpha")
    heading, *rows = ran.out.splitlines()
    assert heading.split("\t")[:2] == ["version", "stage"]
    assert [row.split("\t")[:2] for row in rows] == [
        ["spx-alpha@2", "production"],
        ["spx-alpha@1", "archived"],
    ]
    assert "\x1b" not in ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("definition", "list"),
        ("definition", "show", "toy-signal@1.0.0"),
        ("instance", "list"),
        ("instance", "show", "spx-alpha"),
        ("instance", "production", "spx-alpha"),
        ("run", "list"),
        ("version", "list"),
        ("version", "passport", "spx-alpha@1"),
        ("version", "compare", "spx-alpha@1", "spx-alpha@2"),
        ("dataset", "list"),
        ("dataset", "show", "us-prices"),
        ("dataset", "read", "us-prices"),
        ("lineage", "model_version:spx-alpha@1", "--up"),
        ("log", "tail"),
        ("log", "show", "spx-alpha"),
        ("log", "show", "1"),
        ("verify",),
        ("rebuild", "--all"),
    ],
    ids=" ".join,
)
def test_every_command_answers_in_words_and_in_json(lived: Life, arguments: tuple[str, ...]):
    plain, as_json = at(lived, *arguments), at(lived, *arguments, "--json")
    assert (plain.code, as_json.code) == (0, 0), (plain, as_json)
    assert plain.out.strip()
    assert as_json.json() is not None


def test_the_log_says_who_did_what_and_why(lived: Life):
    lines = at(lived, "log", "tail", "-n", "3", "--action", "model_version.promoted").out.splitlines()
    assert len(lines) == 2
    assert "p_local model_version.promoted" in lines[1]
    assert lines[1].endswith('"second"')


def test_the_past_can_be_asked(lived: Life):
    production = at(lived, "instance", "production", "spx-alpha", "--json").json()["items"]
    before = str(production[1]["since"]["position"] - 1)
    shown = at(lived, "instance", "show", "spx-alpha", "--as-of", before, "--json").json()
    assert shown["active_version"] == 1


def test_a_refusal_is_one_line_and_exit_1(lived: Life):
    ran = at(lived, "version", "promote", "spx-alpha@1", "--reason", "again")
    assert (ran.code, ran.out) == (1, "")
    (line,) = ran.err.splitlines()
    assert line.startswith("version.not_staged: ")
    assert " · " in line


def test_a_refusal_in_json_is_the_problem(lived: Life):
    ran = at(lived, "instance", "show", "nope", "--json")
    assert (ran.code, ran.json()["code"]) == (1, "instance.unknown")


def test_exit_codes_are_those_of_a_process(lived: Life):
    url = str(lived.client.base_url)
    assert optaic("instance", "show", "nope", "--url", url).code == 1
    assert optaic("instance", "show", "--url", url).code == 2
    assert optaic("instance", "list", "--url", url).code == 0


def test_wrong_usage_is_exit_2(lived: Life):
    assert here("instance", "list", "--colour", "red").code == 2
    assert at(lived, "version", "promote", "spx-alpha@1").code == 2
    assert at(lived, "rebuild").code == 2
    assert at(lived, "dataset", "write", "us-prices", __file__).code == 2


def test_no_service_is_exit_3():
    ran = here("instance", "list", "--url", "http://127.0.0.1:9")
    assert ran.code == 3
    assert ran.err.startswith("service.not_reachable: ")


def test_a_dry_run_of_a_promotion_shows_the_gate(lived: Life):
    ref = lived.trained()
    ran = at(lived, "version", "promote", ref, "--reason", "try", "--dry-run", "--json")
    assert ran.json()["report"]["enforced_as"] == "passed"
    at(lived, "version", "archive", ref, "--reason", "only for the test")


def test_datasets_are_created_written_and_read(lived: Life, tmp_path: Path):
    rows = tmp_path / "rows.csv"
    rows.write_text(PRICES)
    assert at(lived, "dataset", "create", "eu-prices", "--column", "close:float64").code == 0
    assert "eu-prices@1" in at(lived, "dataset", "write", "eu-prices", str(rows)).out
    assert "nothing new" in at(lived, "dataset", "write", "eu-prices", str(rows)).out
    read = at(lived, "dataset", "read", "eu-prices", "--as-of", "2024-03-08T00:00:00Z", "--entity", "A")
    assert read.out.splitlines()[1:] == ["A,2024-03-07,2024-03-07T21:00:00.000000Z,10.5"]
    out = tmp_path / "out.arrow"
    assert at(lived, "dataset", "read", "eu-prices", "--out", str(out)).code == 0
    assert out.stat().st_size > 0


def test_instances_are_created_trained_and_archived(lived: Life):
    create = ("instance", "create", "new-alpha", "--definition", "toy-signal@1.0.0", "--dataset", "us-prices")
    assert at(lived, *create, "--config", '{"horizon": 5}').code == 0
    run = at(
        lived, "train", "new-alpha", "--as-of", "2024-03-08T22:00:00Z", "--param", "depth=3", "--json"
    ).json()
    lived.post(f"/runs/{run['run_id']}/cancel")
    waited = at(lived, "run", "show", run["run_id"])
    assert "cancelled" in waited.out
    assert at(lived, "backfill", "new-alpha", "--from", "2024-03-11", "--to", "2024-03-12").code == 1
    assert at(lived, "infer", "new-alpha").err.startswith("instance.no_active_version")
    assert at(lived, "instance", "archive", "new-alpha", "--reason", "done").code == 0


def test_a_package_is_checked_here_and_submitted_there(lived: Life, tmp_path: Path):
    zipped = tmp_path / "package.zip"
    zipped.write_bytes(package("other-signal"))
    assert at(lived, "definition", "check", str(zipped)).out.startswith("other-signal@1.0.0: signal")
    assert "submitted" in at(lived, "definition", "submit", str(zipped)).out
    zipped.write_bytes(package("other-signal", without="monitoring/"))
    bad = at(lived, "definition", "check", str(zipped))
    assert (bad.code, bad.err.partition(":")[0]) == (1, "definition.component_missing")


def test_an_export_taken_into_an_empty_folder_is_the_same_log(lived: Life, tmp_path: Path):
    data = lived.service.settings.data
    export = tmp_path / "log.jsonl"
    assert here("log", "export", str(export), "--data", str(data)).code == 0
    lines = export.read_text().splitlines()
    assert [json.loads(line)["position"] for line in lines] == list(range(1, len(lines) + 1))
    copy = ("--data", str(tmp_path / "copy"))
    assert here("log", "import", str(export), *copy).code == 0
    assert here("log", "export", *copy).out == export.read_text()
    assert here("log", "import", str(export), *copy).err.startswith("log.not_empty")


def test_help_names_every_command():
    text = here("--help").out
    for name in (
        "up",
        "definition",
        "instance",
        "train",
        "infer",
        "monitor",
        "backfill",
        "version",
        "dataset",
    ):
        assert f"  {name} " in text
    for name in ("lineage", "log", "verify", "rebuild", "doctor", "demo"):
        assert f"  {name} " in text


def test_doctor_says_of_each_sandbox_level_that_it_works(tmp_path: Path):
    facts = here("doctor", "--json", "--data", str(tmp_path)).json()
    assert bubblewrap().is_file()
    assert {facts[f"sandbox {level}"] for level in LEVELS} == {"works"}
