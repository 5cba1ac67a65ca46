"""The locks hold what the manifests ask for; judged from the files alone, without a network."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCAL = {"optaic-mlops", "optaic-mlops-service"}
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
LOCKS = ("core", "demo", "service", "dev", "uv")
SERVICE = ("postgres", "kafka", "s3", "otel", "demo")
"""The extras of the production image."""

Pins = dict[str, set[str]]


def pins(lock: str) -> Pins:
    """Name → versions (one a marker) of a lock."""
    found: Pins = {}
    for name, version in PIN.findall(_read(lock)):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def asked() -> dict[str, list[Requirement]]:
    """Lock → what the manifests ask of it."""
    manifest = _toml("pyproject.toml")
    extras: dict[str, list[str]] = manifest["project"]["optional-dependencies"]
    core = [*manifest["project"]["dependencies"], *_toml("sdk/pyproject.toml")["project"]["dependencies"]]
    core += _lines("build.in")
    everything = [text for texts in extras.values() for text in texts]
    texts = {
        "core": core,
        "demo": [*core, *extras["demo"]],
        "service": [*core, *(text for extra in SERVICE for text in extras[extra])],
        "dev": [*core, *everything, *manifest["dependency-groups"]["dev"]],
        "uv": _lines("uv.in"),
    }
    return {lock: [Requirement(text) for text in of] for lock, of in texts.items()}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_everything_that_is_asked_for(lock):
    held = pins(lock)
    unmet = [
        str(wanted)
        for wanted in asked()[lock]
        if wanted.name not in LOCAL and _applies(wanted) and not _met(wanted, held)
    ]
    assert unmet == [], f"requirements/{lock}.txt is old: run `make lock` and commit it"


@pytest.mark.parametrize(("smaller", "larger"), [("core", "demo"), ("demo", "service"), ("service", "dev")])
def test_a_larger_lock_holds_the_smaller_one_at_the_same_versions(smaller, larger):
    held = pins(larger)
    assert {name: versions for name, versions in pins(smaller).items() if held.get(name) != versions} == {}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_carries_a_hash_and_no_lock_names_a_host(lock):
    entries = re.split(r"\n(?=\S)", _read(lock).strip())
    assert [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []
    assert "://" not in _read(lock)


def test_a_bound_tighter_than_the_next_major_release_says_why():
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    tight = [i for i, line in enumerate(lines) if re.match(r'  "[^"]+(==|<\d+\.\d)', line)]
    assert [lines[i].strip() for i in tight if "#" not in lines[i] + lines[i - 1]] == []


def _met(wanted: Requirement, held: Pins) -> bool:
    versions = held.get(canonicalize_name(wanted.name), set())
    return bool(versions) and all(
        wanted.specifier.contains(version, prereleases=True) for version in versions
    )


def _applies(wanted: Requirement) -> bool:
    environment = {key: str(value) for key, value in default_environment().items()}
    return wanted.marker is None or wanted.marker.evaluate(environment)


def _lines(name: str) -> list[str]:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _read(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")


def _toml(path: str) -> dict:
    return tomllib.loads((ROOT / path).read_text(encoding="utf-8"))
