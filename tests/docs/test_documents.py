"""The documents hold their form: links resolve, decisions are short, nothing names a machine."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
HEADINGS = ("## Context", "## Decision", "## Consequences")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)

FOREIGN = {
    "somebody's folder": re.compile(
        r"(?<![\w.~-])/(?:(?:home|Users)/(?!ada\b)|root/)\w"
    ),  # ada is the example
    "this checkout": re.compile(re.escape(str(ROOT)) + r"\b"),
    "an index": re.compile(r"--(?:extra-)?index-url|^\s*--find-links", re.MULTILINE),
    "a registry's host": re.compile(r"\bfiles\.pythonhosted\.org|\bregistry\.(?:npmjs|yarnpkg)\b|://pypi\."),
}


def committed_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_resolves(document):
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    links = [one or other for one, other in LINK.findall(text)]
    broken = [link for link in links if not _resolves(document, link)]
    assert broken == []


def _resolves(document: Path, link: str) -> bool:
    if link.startswith(("https://", "http://", "mailto:")):
        return True
    path, _, anchor = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_context_decision_consequences_in_sixty_lines(decision):
    lines = decision.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
    assert re.fullmatch(rf"# {int(decision.name[:4])}\. .+", lines[0])
    assert tuple(line for line in lines if line.startswith("## ")) == HEADINGS
    assert any(re.match(r"(Accepted|Superseded by)\b", line) for line in lines[1:4])


def test_decisions_are_numbered_without_a_hole():
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_every_decision_is_listed():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in DECISIONS if f"adr/{path.name}" not in index] == []


def test_the_architecture_fits_in_two_hundred_lines():
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_the_architecture_names_only_what_exists():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    (tree,) = re.findall(r"```tree\n(.*?)```", text, re.DOTALL)
    named = [line.split()[0] for line in tree.splitlines()]
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("what", FOREIGN)
def test_no_committed_file_names(what):
    others = [path for path in committed_files() if path != Path(__file__)]
    found = [str(path.relative_to(ROOT)) for path in others if FOREIGN[what].search(_text(path))]
    assert found == []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
