"""How tests run: Hypothesis profiles, and the long form of suites behind `--soak`."""

import os
from collections.abc import Iterator

import hypothesis
import pytest

SHORT = {"deadline": None, "print_blob": True}
hypothesis.settings.register_profile("dev", **SHORT)
# A red build is a change of the code, never of luck: new examples are looked for at the desk and in the soak.
hypothesis.settings.register_profile("ci", **SHORT, derandomize=True, database=None)
hypothesis.settings.register_profile("soak", **SHORT, max_examples=5_000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="the long form of the suites that have one")


def pytest_configure(config: pytest.Config) -> None:
    usual = "ci" if os.environ.get("CI") else "dev"
    hypothesis.settings.load_profile("soak" if config.getoption("--soak") else usual)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `soak` are left out (deselected, not skipped) unless `--soak` asks for them."""
    if config.getoption("--soak"):
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether the long form of a suite is wanted."""
    return bool(request.config.getoption("--soak"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a superuser of a running PostgreSQL."""
    from tests.support.postgres import server_url

    with server_url() as url:
        yield url


@pytest.fixture
def database(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database."""
    from tests.support.postgres import fresh_database

    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[str]:
    """The address of a running Kafka broker; topics are the test's own."""
    from tests.support.kafka import broker_address

    with broker_address() as address:
        yield address


@pytest.fixture
def log_database(database: str) -> str:
    """The URL of a database with the log installed, as the application's role."""
    from tests.support.log_database import installed

    return installed(database)
