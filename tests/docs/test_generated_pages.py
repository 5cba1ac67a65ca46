"""The reference pages say what the code says."""

import ast
import difflib
import inspect
import json
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from docs import generate, sdk_page
from domain.catalogue import COMMANDS, EVENT_CLASSES
from domain.shared.errors import RuleBroken


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    """The pages as a fresh process writes them: typing remembers unions in the order first met."""
    program = (
        "import json; from docs import generate as g; print(json.dumps({n: p() for n, p in g.PAGES.items()}))"
    )
    command = [sys.executable, "-c", program]
    return json.loads(subprocess.run(command, cwd=generate.ROOT, capture_output=True, check=True).stdout)


@pytest.mark.parametrize("name", generate.PAGES)
def test_a_generated_page_is_what_the_code_says(name, written):
    committed = (generate.ROOT / "docs" / name).read_text(encoding="utf-8").splitlines()
    changes = difflib.unified_diff(committed, written[name].splitlines(), "committed", "code", n=0)
    assert list(islice(changes, 12)) == [], f"docs/{name} is old: run `make docs` and commit it"


@pytest.mark.parametrize("cls", [*EVENT_CLASSES, *COMMANDS.values()], ids=lambda cls: cls.__name__)
def test_every_event_and_command_says_why_it_exists(cls):
    own = cls.__dict__.get("__doc__") or ""
    assert own.strip().endswith("."), f"{cls.__name__} needs a docstring of at least one sentence"


@pytest.mark.parametrize("module", sdk_page.MODULES)
def test_every_public_name_of_the_sdk_is_documented(module):
    silent = [node.name for node in sdk_page.public_definitions(module) if not ast.get_docstring(node)]
    assert silent == []


def test_every_error_has_a_code_of_its_own():
    codes = Counter(cls.code for cls in generate.error_classes())
    assert [code for code, count in codes.items() if count > 1] == []


def test_every_error_says_what_it_means_and_what_to_do():
    classes = generate.error_classes()
    silent = [cls for cls in classes if not (cls.__dict__.get("__doc__") or "").strip()]
    helpless = [cls for cls in classes if cls.remedy == RuleBroken.remedy]
    assert (silent, helpless) == ([], [])


def test_every_event_and_command_class_is_in_the_catalogue():
    found = {cls for base in ("Event", "Command") for cls in _subclasses(base)}
    listed = {*EVENT_CLASSES, *COMMANDS.values()}
    assert {cls for cls in found if not cls.__name__.startswith("_")} == listed


def _subclasses(base: str) -> set[type]:
    root = next(cls for cls in inspect.getmro(_one_of(base)) if cls.__name__ == base)
    open_ends, found = [root], set()
    while open_ends:
        more = [cls for cls in open_ends.pop().__subclasses__() if cls.__module__.startswith("domain.")]
        open_ends += more
        found |= set(more)
    return found


def _one_of(base: str) -> type:
    return EVENT_CLASSES[0] if base == "Event" else next(iter(COMMANDS.values()))


WITHOUT_A_TEST = {
    "kafka.client_failed": "a broker that shuts a member out with its lasting name and without it",
    "log.head_moved": "a second owner of the log, which its lock prevents",
    "request.incomplete": "a connection that ends within a body",
    "view.row_missing": "a log whose events do not fit together",
}
"""Refusals that no test produces yet, and what would produce them."""


def test_every_other_refusal_is_named_by_a_test():
    folders = [path for path in (generate.ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    text = "\n".join(path.read_text(encoding="utf-8") for path in folders).replace(r"\.", ".")
    classes = generate.error_classes()
    silent = {cls.code for cls in classes if cls.code not in text and cls.__name__ not in text}
    assert silent == set(WITHOUT_A_TEST)
