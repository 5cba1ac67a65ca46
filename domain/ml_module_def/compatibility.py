"""What a version number promises: an instance may take a later version of the same major in its place."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from domain.ml_module_def.manifest import Manifest

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-(.+))?")


class Number(NamedTuple):
    """A semantic version, ordered as semver.org says."""

    major: int
    minor: int
    patch: int
    is_final: bool
    """A pre-release stands before its release, and promises nothing."""
    before: tuple[tuple[int, int, str], ...] = ()
    """The parts of a pre-release; numbers stand before words."""


class Promised(NamedTuple):
    """A version as those who use it see it."""

    manifest: Manifest
    output_columns: Mapping[str, str]

    @property
    def number(self) -> Number:
        """Its version number."""
        return number_of(self.manifest.version)


def number_of(version: str) -> Number:
    """The parts of a semantic version without build metadata."""
    found = _VERSION.fullmatch(version)
    if found is None:  # no manifest has another form; such a one stands before all
        return Number(0, 0, 0, is_final=False)
    parts = found[4].split(".") if found[4] else ()
    before = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)
    return Number(int(found[1]), int(found[2]), int(found[3]), not before, before)


def baseline(new: Promised, published: Iterable[Promised]) -> Promised | None:
    """The newest published release before this version with the same major: what it is held to."""
    before = [
        one
        for one in published
        if one.number.is_final and one.number.major == new.number.major and one.number < new.number
    ]
    return max(before, key=lambda one: one.number, default=None)


def problem(new: Promised, base: Promised, others: Iterable[Number]) -> str | None:
    """Why the number is too low for what changed since `base`, and which one is right; None: it will do.

    `others`: the numbers that are taken.
    """
    numbers = [base.number, *others]
    name = f"{base.manifest.name}@{base.manifest.version}"
    broken = _broken(new, base)
    if broken:
        right = f"{max(one.major for one in numbers) + 1}.0.0"
        return f"against {name}, {'; '.join(broken)}: that is a new major version, {right}"
    added = sorted(set(new.output_columns) - set(base.output_columns))
    if added and new.number.minor == base.number.minor:
        minors = (one.minor for one in numbers if one.major == base.number.major)
        right = f"{base.number.major}.{max(minors) + 1}.0"
        return f"against {name}, the output has {', '.join(added)} more: that is a new minor version, {right}"
    return None


def _broken(new: Promised, base: Promised) -> list[str]:
    return [*_broken_output(new, base), *_broken_inputs(new, base)]


def _broken_output(new: Promised, base: Promised) -> list[str]:
    gone = [
        f"the output lacks {name}" if name not in new.output_columns else f"the output's {name} was {kind}"
        for name, kind in base.output_columns.items()
        if new.output_columns.get(name) != kind
    ]
    was = base.manifest.category
    return gone if new.manifest.category == was else [*gone, f"the category was {was}"]


def _broken_inputs(new: Promised, base: Promised) -> list[str]:
    """What an instance that is bound as before does not give."""
    known = {one.role: set(one.columns) for one in base.manifest.inputs}
    found: list[str] = []
    for one in new.manifest.inputs:
        more = [column for column in one.columns if column not in known.get(one.role, set())]
        if one.role not in known:
            found.append(f"an input {one.role} is needed")
        elif more:
            found.append(f"the input {one.role} needs {', '.join(more)} more")
    return found
