"""`definition …`: packages of model code."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from infrastructure.cli import output
from infrastructure.cli.api import segment
from infrastructure.cli.session import REFUSED, Session, command, fail

Package = Annotated[Path, typer.Argument(help="A definition's folder, or its zip.", exists=True)]
Ref = Annotated[str, typer.Argument(help="name@1.2.0")]
Reason = Annotated[str, typer.Option("--reason", help="Why; an auditor will read it.")]
Wait = Annotated[float, typer.Option("--wait", help="Seconds to wait for the verdict.", min=0, max=300)]
_COLUMNS = {
    "definition": "ref",
    "state": "state",
    "category": "category",
    "submitted by": "submitter",
    "at": "submitted.at",
}


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    group = typer.Typer(help="Definitions: packages of model code.", no_args_is_help=True)
    command(group, "new", help="Write a working definition to start from.")(new)
    command(group, "check", help="Check a package's structure here, without running its code.")(check)
    command(group, "test", help="Run the whole evaluation here, as a submission would.")(try_out)
    command(group, "submit", help="Hand a package in; its evaluation follows.")(submit)
    command(group, "publish", help="Share a version that passed.")(publish)
    command(group, "deprecate", help="Stop new use of a version.")(deprecate)
    command(group, "list", help="Definition versions.")(list_definitions)
    command(group, "show", help="One definition version with its evaluation.")(show)
    app.add_typer(group, name="definition")


def new(
    session: Session,
    name: Annotated[str, typer.Argument(help="The definition's name; also the new folder's.")],
    category: Annotated[str, typer.Option(help="signal, macro_regime, …")] = "signal",
    folder: Annotated[Path | None, typer.Option(help="Where to write it; default ./NAME.")] = None,
) -> None:
    """Write a working definition."""
    from infrastructure.cli.scaffold import write_definition

    written = write_definition(folder or Path(name), name, category)
    session.say(
        {"folder": str(written)}, f"{written} holds a working definition; try `definition test {written}`"
    )


def check(session: Session, package: Package) -> None:
    """Structure and definition.toml only."""
    import tempfile

    import msgspec

    from infrastructure.packages.reader import inspect_zip

    with tempfile.TemporaryDirectory() as scratch:
        manifest = inspect_zip(_zip(package, Path(scratch)))
    ref = f"{manifest.name}@{manifest.version}"
    session.say(
        msgspec.to_builtins(manifest), f"{ref}: {manifest.category.value}, the package is well-formed"
    )


def try_out(
    session: Session,
    package: Package,
    time_s: Annotated[float, typer.Option(help="Time for each check, in seconds.")] = 120.0,
) -> None:
    """The whole evaluation, in processes of its own."""
    import tempfile
    import time

    import msgspec

    from infrastructure.evaluation import evaluate
    from infrastructure.packages.reader import inspect_zip

    with tempfile.TemporaryDirectory() as scratch:
        zipped = _zip(package, Path(scratch))
        manifest = inspect_zip(zipped)
        work = Path(scratch) / "work"
        begun = time.monotonic()
        result = evaluate(zipped, manifest, work=work, python=Path(sys.executable), timeout_s=time_s)
        seconds = time.monotonic() - begun
    ref, checks = f"{manifest.name}@{manifest.version}", msgspec.to_builtins(result.checks)
    if session.as_json:
        output.print_json({"ref": ref, "verdict": result.verdict, "checks": checks, "report": result.report})
    else:
        output.print_rows(checks, {"check": "name", "ok": "ok", "seconds": "seconds", "detail": "detail"})
        if result.verdict != "passed":
            print(result.report)
        print(f"{ref}: {result.verdict}, {seconds:.1f} s")
    if result.verdict != "passed":
        raise typer.Exit(REFUSED)


def submit(session: Session, package: Package, wait: Wait = 0, publish: bool = False) -> None:
    """Hand a package in."""
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        content = _zip(package, Path(scratch)).read_bytes()
    answer = session.api.upload(
        "/definitions", content, "application/zip", {"wait": wait or (120 if publish else 0)}
    )
    written = answer.json()
    known = written["definition"]
    _refuse_failed(session, written)
    if publish and known and known["state"] == "passed":
        session.api.post(f"/definitions/{known['name']}/{known['version']}/publish")
        known = session.api.get(f"/definitions/{known['name']}/{known['version']}").json()
    ref = known["ref"] if known else ", ".join(written["refs"]) or "nothing new"
    state = known["state"] if known else "submitted, its evaluation goes on"
    session.say({**written, "definition": known}, f"{ref}: {state} [{written['position']}]")


def _refuse_failed(session: Session, written: dict[str, Any]) -> None:
    known = written["definition"]
    if not known or known["state"] != "failed":
        return
    failed = [one for one in known["evaluation"]["checks"] if not one["ok"]]
    detail = "; ".join(f"{one['name']}: {one['detail']}" for one in failed)
    problem = {"code": "definition.not_passed", "detail": f"{known['ref']}: {detail}", "definition": known}
    fail(problem, REFUSED, session.as_json)


def publish(session: Session, ref: Ref) -> None:
    """Share a version."""
    _move(session, ref, "publish", {}, "published")


def deprecate(session: Session, ref: Ref, reason: Reason) -> None:
    """Stop new use."""
    _move(session, ref, "deprecate", {"reason": reason}, "deprecated")


def list_definitions(
    session: Session,
    name: Annotated[str | None, typer.Option(help="Only this definition's versions.")] = None,
    state: Annotated[
        str | None, typer.Option(help="submitted, passed, failed, published, deprecated")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="A log position, or a time with offset.")] = None,
) -> None:
    """Versions by name."""
    session.show_rows(
        session.api.pages("/definitions", {"name": name, "state": state, "as_of": as_of}), _COLUMNS
    )


def show(session: Session, ref: Ref) -> None:
    """One version."""
    known = session.api.get(_path(ref)).json()
    evaluation = known["evaluation"] or {}
    facts = {
        "definition": known["ref"],
        "state": known["state"],
        "category": known["category"],
        "description": known["manifest"]["description"],
        "package": known["manifest"]["package_sha256"],
        "submitted": f"{known['submitted']['at']} by {known['submitter']}",
        "verdict": evaluation.get("verdict"),
        **{f"check {one['name']}": _told(one) for one in evaluation.get("checks", ())},
    }
    session.show(known, facts)


def _told(check: dict[str, Any]) -> str:
    return f"{'ok' if check['ok'] else 'FAILED'}, {check['seconds']:.1f} s: {check['detail']}"


def _move(session: Session, ref: str, verb: str, body: dict[str, Any], done: str) -> None:
    written = session.api.post(f"{_path(ref)}/{verb}", body).json()
    session.say(written, f"{ref} {done} [{written['position']}]")


def _path(ref: str) -> str:
    name, _, version = ref.partition("@")
    return f"/definitions/{segment(name)}/{segment(version or '-')}"


def _zip(package: Path, scratch: Path) -> Path:
    """The package as a zip: as it is, or made of the folder."""
    if package.is_file():
        return package
    from optaic.mlops.packaging import pack

    zipped = scratch / "package.zip"
    zipped.write_bytes(pack(package))
    return zipped
