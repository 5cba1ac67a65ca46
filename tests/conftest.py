"""How tests run: Hypothesis profiles, and the long form of suites behind `--soak`."""

import os

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
