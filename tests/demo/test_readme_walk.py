"""The README's curl lines, run one after the other against the demonstration's data."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.settings import Settings
from tests.demo.conftest import serving

ROOT = Path(__file__).resolve().parents[2]


def walk_block() -> list[str]:
    """The README's shell blocks."""
    return re.findall("```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def walk() -> list[str]:
    """Every curl command of them."""
    commands = re.split("^(?=curl )", "".join(walk_block()), flags=re.MULTILINE)[1:]
    return ["\n".join(line for line in one.splitlines() if not line.startswith("#")) for one in commands]


@pytest.fixture(scope="module")
def api(played, tmp_path_factory) -> Iterator[str]:
    """The service on a copy of the demonstration's folder; yields its address."""
    if shutil.which("curl") is None:
        pytest.fail("curl is needed: apt-get install curl")
    data = tmp_path_factory.mktemp("walk") / "data"
    shutil.copytree(played.data, data)
    with serving(data) as address:
        yield address


def test_the_walk_through_a_models_life_gives_what_its_comments_say(api):
    said = [
        subprocess.run(
            ["bash", "-euc", f"api={api}/api/v1\n{command}"], capture_output=True, text=True, check=True
        ).stdout
        for command in walk()
    ]
    created, trained, promoted, predicted, rows, production, history, lineage, past, refused, *end = said
    assert json.loads(created)["outcome"] == "accepted"
    assert json.loads(trained)["run"]["model_version"] == 1
    assert json.loads(promoted)["report"]["enforced_as"] == "passed"
    assert json.loads(predicted)["run"]["dataset_version"] == 1
    assert rows.startswith("entity,date,knowledge_date,signal")
    assert len(rows.splitlines()) == 6
    assert json.loads(production)["current"]["since"]["reason"] == "first version"
    assert "walk@1 went into production." in history
    reached = {node["node"] for node in json.loads(lineage)["nodes"]}
    assert {"model_version:walk@1", "dataset_version:us-prices@1"} <= reached
    assert {one["name"] for one in json.loads(past)["items"]} == {"spx-alpha", "us-regime"}
    assert json.loads(refused)["code"] == "pit.model_from_future"
    archived, activity = end
    assert json.loads(archived)["outcome"] == "accepted"
    assert {one["action"] for one in json.loads(activity)["items"]} >= {"model_instance.archived"}


def test_the_readme_names_the_address_that_is_served_by_default():
    assert f"api=http://127.0.0.1:{Settings.model_fields['port'].default}/api/v1" in "\n".join(walk_block())
