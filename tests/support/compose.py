"""The services of `docker-compose.yml` as processes of this machine, without an engine for containers.

Commands and environment are read from the file. What differs from the containers, all of it here: names of
hosts become loopback ports, `/var/lib/optaic` a folder of the test, 0.0.0.0 the loopback address, the ports
that containers share free ones; PostgreSQL and Kafka are those of the test support, and the database trusts
the loopback. The images are not run.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import yaml

from tests.support.fault_proxy import FaultProxy
from tests.support.kafka import KafkaBroker
from tests.support.postgres import PostgresServer
from tests.support.processes import ServerProcess, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
ROLES = ("serve", "relay", "project", "intake", "schedule", "worker")
PROGRAM = Path(sys.executable).with_name("optaic-mlops")
SECRETS = {"OPTAIC_OWNER_PASSWORD": "owner-of-the-test", "OPTAIC_APP_PASSWORD": "app-of-the-test"}
STARTED = re.compile(r"answers on port (\d+)")
_VARIABLE = re.compile(r"\$\{(\w+)(?::\?[^}]*)?\}")
INHERITED = ("PATH", "HOME", "LANG")


def services() -> dict[str, dict[str, Any]]:
    """The services of the file, merged and with the variables of the environment filled in."""
    text = _VARIABLE.sub(lambda found: SECRETS[found[1]], FILE.read_text("utf-8"))
    return yaml.safe_load(text)["services"]


class RoleProcess:
    """One service of the file as a process; started again it has the same command, environment and ports."""

    def __init__(self, name: str, service: Mapping[str, Any], env: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.env = {**{key: os.environ[key] for key in INHERITED if key in os.environ}, **env}
        command = [str(PROGRAM), *service["command"]]
        self.process = ServerProcess(command, self.log, cwd=folder, env=self.env)
        self.port = 0

    def start(self) -> None:
        """Start and wait until it says that it works."""
        begin = self.log.stat().st_size if self.log.exists() else 0

        def is_ready() -> bool:
            found = STARTED.search(self.log.read_text("utf-8", "replace")[begin:])
            self.port = int(found[1]) if found else 0
            return found is not None

        self.process.start(is_ready)

    def kill(self) -> None:
        """SIGKILL, the process and its children."""
        self.process.kill()

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        return self.process.end(signal.SIGTERM)

    def tail(self, characters: int = 3000) -> str:
        """The end of what it printed."""
        return self.log.read_text("utf-8", "replace")[-characters:] if self.log.exists() else ""


class Stack:
    """PostgreSQL, Kafka and the roles; `more` are further settings of every role, such as failpoints.

    `proxied`: the roles reach database and broker through `to_postgres` and `to_kafka`, which can be cut.
    """

    def __init__(
        self,
        folder: Path,
        roles: Sequence[str] = ROLES,
        more: Mapping[str, str] | None = None,
        *,
        proxied: bool = False,
    ) -> None:
        self.folder = folder
        self.postgres = PostgresServer()
        self.kafka = KafkaBroker()
        self.to_postgres = FaultProxy(self.postgres.port) if proxied else None
        self.to_kafka = FaultProxy(self.kafka.behind_proxy, self.kafka.proxy_port) if proxied else None
        self.more = dict(more or {})
        self._services = services()
        self.api_port = free_port()
        self.roles = {name: self._process(name) for name in roles}

    @property
    def api(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self.api_port}/api/v1"

    @property
    def database_url(self) -> str:
        """The database as the owner sees it."""
        return f"postgresql://optaic_owner@127.0.0.1:{self.postgres.port}/optaic"

    @property
    def app_url(self) -> str:
        """The database as the roles see it."""
        return f"postgresql://optaic_app@127.0.0.1:{self.postgres.port}/optaic"

    def environment(self, name: str) -> dict[str, str]:
        """The environment of a service, on this machine."""
        given = self._services[name]["environment"]
        here = {key: self._on_this_machine(str(value)) for key, value in given.items()}
        return {**here, "OPTAIC_MLOPS_ROLE_PORT": "0", **self.more}

    def start(self) -> None:
        """Start everything in the order of the file's dependencies."""
        self.postgres.start()
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute("CREATE ROLE optaic_owner LOGIN SUPERUSER")
            connection.execute("CREATE DATABASE optaic OWNER optaic_owner TEMPLATE template0 ENCODING 'UTF8'")
        self.kafka.start()
        self.run("prepare", self._services["prepare"]["command"])
        for role in self.roles.values():
            role.start()

    def run(self, name: str, command: Sequence[str], **more: str) -> str:
        """Run a command with a service's environment to its end; returns what it printed."""
        env = {key: os.environ[key] for key in INHERITED if key in os.environ} | self.environment(name) | more
        done = subprocess.run(
            [str(PROGRAM), *command], env=env, cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(
                f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def add(self, name: str, service: str, **more: str) -> RoleProcess:
        """Another process of a service, not started."""
        process = self._process(service, name, more)
        self.roles[name] = process
        return process

    def wait_ready(self, *names: str) -> None:
        """Wait until roles say of themselves that they are ready."""
        for name in names or tuple(self.roles):
            path = "/api/v1/ready" if name == "serve" else "/ready"
            role = self.roles[name]
            wait_until(lambda role=role, path=path: _is_ready(role.port, path), f"{name} is not ready")

    def stop(self) -> dict[str, int]:
        """Stop the roles in order; returns their exit statuses."""
        return {name: role.stop() for name, role in reversed(self.roles.items()) if role.process.is_running}

    def close(self) -> None:
        """End everything, however it stands."""
        for role in self.roles.values():
            role.kill()
        for proxy in (self.to_kafka, self.to_postgres):
            if proxy is not None:
                proxy.close()
        self.kafka.close()
        self.postgres.close()
        shutil.rmtree(self.folder / "optaic", ignore_errors=True)

    def _process(
        self, service: str, name: str | None = None, more: Mapping[str, str] | None = None
    ) -> RoleProcess:
        env = {**self.environment(service), **(more or {})}
        return RoleProcess(name or service, self._services[service], env, self.folder)

    def _on_this_machine(self, value: str) -> str:
        database = self.to_postgres.port if self.to_postgres else self.postgres.port
        replaced = (
            ("postgres:5432", f"127.0.0.1:{database}"),
            ("kafka:9092", self.kafka.bootstrap_proxied if self.to_kafka else self.kafka.bootstrap),
            ("/var/lib/optaic", str(self.folder / "optaic")),
            ("0.0.0.0", "127.0.0.1"),
        )
        for there, here in replaced:
            value = value.replace(there, here)
        return str(self.api_port) if value == "8484" else value


def _is_ready(port: int, path: str) -> bool:
    from infrastructure.roles.probe import main

    return main(port, path) == 0
