"""A role that cannot work says why, in one line, and what to do; nothing is half started."""

import json
import subprocess

import pytest

from infrastructure.cli.roles import ROLES
from tests.support.compose import PROGRAM
from tests.support.processes import free_port


def refused(command: list[str], **env: str) -> dict[str, str]:
    """What a command said when it was refused."""
    done = subprocess.run(
        [str(PROGRAM), *command, "--json"], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode in (1, 3), done.stdout + done.stderr
    return json.loads(done.stdout or done.stderr)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_without_a_database_names_the_setting(role, tmp_path):
    said = refused([role], OPTAIC_MLOPS_DATA=str(tmp_path), OPTAIC_MLOPS_PORT="0")
    assert said["code"] == "setting.missing"
    assert "OPTAIC_MLOPS_DATABASE_URL" in said["detail"]
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_nobody_installed_names_the_command(database, tmp_path):
    said = refused(["relay"], OPTAIC_MLOPS_DATABASE_URL=database, OPTAIC_MLOPS_DATA=str(tmp_path))
    assert said["code"] == "log.not_installed"
    assert "database install" in said["remedy"]


def test_a_database_that_is_away_is_named(tmp_path):
    url = f"postgresql://nobody:secret@127.0.0.1:{free_port()}/nothing"
    said = refused(["schedule"], OPTAIC_MLOPS_DATABASE_URL=url, OPTAIC_MLOPS_DATA=str(tmp_path))
    assert said["code"] == "database.unreachable"
    assert "secret" not in json.dumps(said)


def test_the_owner_of_the_log_may_not_serve(database, tmp_path):
    owner = {"OPTAIC_MLOPS_DATABASE_URL": database, "OPTAIC_MLOPS_DATA": str(tmp_path)}
    done = subprocess.run(
        [str(PROGRAM), "database", "install"], env=owner, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert refused(["schedule"], **owner)["code"] == "role.may_change_log"


def test_a_role_that_needs_kafka_names_the_setting(log_database, tmp_path):
    env = {"OPTAIC_MLOPS_DATABASE_URL": log_database, "OPTAIC_MLOPS_DATA": str(tmp_path)}
    assert refused(["relay"], **env)["code"] == "kafka.not_named"


def test_restore_takes_one_source(tmp_path):
    done = subprocess.run(
        [str(PROGRAM), "restore"],
        env={"OPTAIC_MLOPS_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--from-kafka" in done.stderr
