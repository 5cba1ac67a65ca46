"""One process that forks services, and one small world to copy, for all tests of the whole service."""

import pytest

from tests.guarantees.service_harness import Zygote
from tests.guarantees.service_world import build_folder, copied


@pytest.fixture(scope="session")
def service_zygote():
    process = Zygote()
    yield process
    process.close()


@pytest.fixture(scope="session")
def world(service_zygote, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("world")
    return build_folder(service_zygote, scratch / "data", scratch)


@pytest.fixture
def data(world, tmp_path):
    return copied(world, tmp_path / "data")
