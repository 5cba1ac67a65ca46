"""What `docker-compose.yml` and the Dockerfile promise, read from the files."""

import re
from pathlib import Path

import pytest

from infrastructure.cli.roles import ROLES as COMMANDS
from infrastructure.settings import Settings
from tests.support.compose import ROLES, services

ROOT = Path(__file__).resolve().parents[2]
PINNED = re.compile(r"^[a-z0-9/.-]+:\d+\.\d+[\w.-]*$")
SERVICES = services()
OURS = [*ROLES, "prepare"]


def test_every_role_of_the_command_line_is_a_service():
    assert set(ROLES) == set(COMMANDS)
    assert {name: SERVICES[name]["command"] for name in ROLES} == {name: [name] for name in ROLES}


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_to_a_release(name):
    assert PINNED.match(SERVICES[name]["image"])


def test_the_dockerfile_is_pinned_installs_from_the_locks_and_runs_without_root():
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert all(PINNED.match(image) for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE))
    assert text.count("--require-hashes") == 2
    assert "USER 10001:10001" in text


@pytest.mark.parametrize("name", OURS)
def test_a_role_has_the_least_privileges(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] != "0"
    assert "privileged" not in service


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "prepare"])
def test_what_stays_up_is_watched_and_started_again(name):
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_only_the_api_can_be_reached_and_only_from_this_machine():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"serve": ["127.0.0.1:8484:8484"]}


@pytest.mark.parametrize("name", ["postgres", "kafka"])
def test_what_must_outlive_a_container_lies_in_a_volume(name):
    assert any(volume.startswith(f"{name}:") for volume in SERVICES[name]["volumes"])


@pytest.mark.parametrize("name", OURS)
def test_every_setting_in_the_file_is_one(name):
    known = {f"OPTAIC_MLOPS_{field.upper()}" for field in Settings.model_fields} | {
        "OPTAIC_MLOPS_APP_PASSWORD"
    }
    assert set(SERVICES[name]["environment"]) <= known


def test_only_the_preparation_knows_the_owners_password():
    knowing = [name for name, service in SERVICES.items() if "owner-of-the-test" in str(service)]
    assert sorted(knowing) == ["postgres", "prepare"]
