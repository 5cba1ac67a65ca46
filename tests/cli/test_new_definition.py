"""`definition new` writes something that works, and `definition test` says so."""

from pathlib import Path

from tests.cli.commands import here


def test_a_new_definition_passes_its_whole_evaluation(tmp_path: Path):
    folder = tmp_path / "my-signal"
    assert here("definition", "new", "my-signal", "--folder", str(folder)).code == 0
    ran = here("definition", "test", str(folder), "--json")
    assert ran.code == 0, ran.out
    assert ran.json()["verdict"] == "passed"
    assert here("definition", "check", str(folder)).out.startswith("my-signal@0.1.0: signal")


def test_a_definition_with_a_failing_test_fails_here_too(tmp_path: Path):
    folder = tmp_path / "my-signal"
    here("definition", "new", "my-signal", "--folder", str(folder))
    (folder / "tests" / "test_model.py").write_text("def test_no():\n    assert False\n")
    ran = here("definition", "test", str(folder))
    assert ran.code == 1
    assert "tests\tno" in ran.out


def test_what_cannot_be_written_is_refused(tmp_path: Path):
    assert here("definition", "new", "My Signal").err.startswith("definition.name_malformed")
    assert here("definition", "new", "aa", "--category", "relevance").err.startswith(
        "definition.template_missing"
    )
    taken = here("definition", "new", "aa", "--folder", str(tmp_path))
    assert (taken.code, taken.err.partition(":")[0]) == (1, "definition.folder_taken")
