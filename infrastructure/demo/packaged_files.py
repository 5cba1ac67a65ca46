"""Finds data files inside installed packages without importing the packages and without any network."""

from importlib.util import find_spec
from pathlib import Path

from domain.shared.errors import Kind, RuleBroken


class DemoDataMissing(RuleBroken):
    """The real data of the demonstration are read from installed packages, and one of them is not there."""

    kind = Kind.UNAVAILABLE
    remedy = "Install the locked versions of the extra `demo` (requirements/demo.txt)."


def packaged_file(package: str, relative: str) -> Path:
    """Path of a file inside an installed top-level package.

    Raises DemoDataMissing if the package is not installed or a later version of it dropped the file.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DemoDataMissing(f"the package {package} is not installed", package=package)
    path = Path(spec.submodule_search_locations[0], relative)
    if not path.is_file():
        raise DemoDataMissing(
            f"{package} is installed, but has no {relative}", package=package, file=relative
        )
    return path
