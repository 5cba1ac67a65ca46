"""`definition new`: a small definition of a category that passes its evaluation, to start from."""

import re
from importlib import resources
from pathlib import Path

from domain.shared.errors import Kind, RuleBroken

OFFERED = ("signal", "macro_regime", "relevance", "signal_combining", "signal_filtering")
"""Categories with a template."""
_NAME = re.compile("[a-z0-9][a-z0-9-]{1,62}")
_SUFFIX = ".txt"


class DefinitionNameMalformed(RuleBroken):
    """A definition's name is 2 to 63 of a-z, 0-9 and '-', not beginning with '-'."""

    kind = Kind.MALFORMED
    remedy = "Choose a name such as my-signal."


class DefinitionTemplateMissing(RuleBroken):
    """There is no template of this category."""

    kind = Kind.NOT_FOUND
    remedy = "Name one of the five categories."


class DefinitionFolderTaken(RuleBroken):
    """The folder exists already."""

    kind = Kind.STATE
    remedy = "Choose another folder; nothing was written."


def write_definition(folder: Path, name: str, category: str) -> Path:
    """Write a working definition into a new folder; returns it.

    Raises DefinitionNameMalformed, DefinitionTemplateMissing, DefinitionFolderTaken.
    """
    if not _NAME.fullmatch(name):
        raise DefinitionNameMalformed(f"{name!r} is not a name")
    if category not in OFFERED:
        raise DefinitionTemplateMissing(f"{category!r} has no template; offered: {', '.join(OFFERED)}")
    if folder.exists():
        raise DefinitionFolderTaken(f"{folder} exists")
    template = resources.files("infrastructure.cli") / "templates" / category
    with resources.as_file(template) as source:
        for file in sorted(source.rglob(f"*{_SUFFIX}")):
            target = folder / file.relative_to(source).with_suffix("")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.read_text(encoding="utf-8").replace("{{name}}", name), encoding="utf-8")
    return folder
