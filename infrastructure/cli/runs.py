"""`train`, `infer`, `monitor`, `backfill`, `reproduce` and `run …`."""

import json
from typing import Annotated, Any

import typer

from infrastructure.cli.api import segment
from infrastructure.cli.overriding import Override, WhyOverride, answered
from infrastructure.cli.session import REFUSED, Session, command, fail

Instance = Annotated[str, typer.Argument(help="The instance's name.")]
RunId = Annotated[str, typer.Argument(help="The run's id.")]
AsOf = Annotated[str | None, typer.Option(help="What the run may know: a time with offset. Default: now.")]
First = Annotated[str | None, typer.Option("--from", help="First decision session, such as 2024-03-08.")]
Last = Annotated[str | None, typer.Option("--to", help="Last decision session.")]
Version = Annotated[int | None, typer.Option("--version", help="Model version; default: the active one.")]
Param = Annotated[list[str] | None, typer.Option("--param", help="Hyper-parameter of this run: name=JSON.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the end; exit 1 if the run fails.")]
_WAIT_S = 300
_COLUMNS = {
    "run": "id",
    "kind": "kind",
    "instance": "instance",
    "state": "state",
    "as of": "as_of",
    "submitted": "submitted.at",
    "ended": "ended.at",
    "error": "error.code",
}


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "train", help="Train a new version of an instance.")(train)
    command(app, "infer", help="Predict with a version of an instance.")(infer)
    command(app, "monitor", help="Judge an instance's predictions.")(monitor)
    command(app, "backfill", help="Predict each past decision session from --from to --to.")(backfill)
    command(app, "reproduce", help="Do a training again from what was recorded, and compare.")(reproduce)
    group = typer.Typer(help="Runs.", no_args_is_help=True)
    command(group, "list", help="Runs, newest first.")(list_runs)
    command(group, "show", help="One run.")(show)
    command(group, "logs", help="What the run's process printed.")(logs)
    command(group, "cancel", help="End a run at once.")(cancel)
    command(group, "retry", help="Do a failed run again, as it was pinned.")(retry)
    command(group, "compare", help="Runs side by side: metrics, and in what they differ.")(compare)
    app.add_typer(group, name="run")


def train(
    session: Session,
    instance: Instance,
    as_of: AsOf = None,
    param: Param = None,
    wait: Wait = False,
    override: Override = False,
    reason: WhyOverride = None,
) -> None:
    """Train."""
    body = {"kind": "training", "as_of": as_of, "params": _params(param)}
    _submit(session, instance, body | answered(reason, override=override), wait)


def infer(  # noqa: PLR0913, PLR0917 - one argument an option
    session: Session,
    instance: Instance,
    as_of: AsOf = None,
    first: First = None,
    last: Last = None,
    version: Version = None,
    wait: Wait = False,
    override: Override = False,
    reason: WhyOverride = None,
) -> None:
    """Predict."""
    body = {"kind": "inference", "as_of": as_of, "first": first, "last": last, "model_version": version}
    _submit(session, instance, body | answered(reason, override=override), wait)


def monitor(
    session: Session, instance: Instance, as_of: AsOf = None, version: Version = None, wait: Wait = False
) -> None:
    """Judge."""
    _submit(session, instance, {"kind": "monitoring", "as_of": as_of, "model_version": version}, wait)


def backfill(  # noqa: PLR0913, PLR0917 - one argument an option
    session: Session,
    instance: Instance,
    first: Annotated[str, typer.Option("--from", help="First decision session.")],
    last: Annotated[str, typer.Option("--to", help="Last decision session.")],
    version: Version = None,
    refit: Annotated[
        str | None, typer.Option(help="Train anew before each block: 1y, 2q, 6m, or a number of sessions.")
    ] = None,
    wait: Wait = False,
    override: Override = False,
    reason: WhyOverride = None,
) -> None:
    """Predict the past."""
    body = _given({"from": first, "to": last, "model_version": version, "refit": refit})
    body |= answered(reason, override=override)
    answer = session.api.post(f"/instances/{segment(instance)}/backfill", body, _waiting(wait)).json()
    path = f"/workflows/{answer['correlation_id']}"
    known = answer["workflow"]
    while wait and known is None:
        query = {"beyond": answer["position"], "correlation_id": answer["correlation_id"]}
        for event in session.api.stream("/activity/stream", query):
            if event["action"].partition(".")[2] in ("completed", "failed", "cancelled"):
                found = session.api.get(path, {"after": event["position"]}).json()
                if found["state"] != "running":
                    known = found
                    break
    if known is None:
        count = len(answer["run_ids"])
        session.say(
            answer, f"backfill of {count} runs begun: {answer['correlation_id']} [{answer['position']}]"
        )
    elif known["state"] == "completed":
        session.show(known, {"workflow": known["correlation_id"], "state": known["state"], **known["counts"]})
    else:
        detail = ", ".join(f"{count} {what}" for what, count in known["counts"].items())
        fail({"code": "workflow.failed", "detail": detail, "workflow": known}, REFUSED, session.as_json)


def reproduce(
    session: Session,
    of: Annotated[str, typer.Argument(help="A training run's id, or a model version such as spx-alpha@3.")],
) -> None:
    """Do it again and compare; exit 1 if it differs."""
    run_id = session.api.get(f"/versions/{segment(of)}").json()["run_id"] if "@" in of else of
    answer = session.api.post(f"/runs/{segment(run_id)}/reproduce", {}, _waiting(True)).json()
    run = _ended(session, answer)
    if run["state"] != "completed":
        _say(session, {**answer, "run": run}, True)
    query = {"after": run["ended"]["position"]}
    told = session.api.get(f"/runs/{segment(run_id)}/reproductions", query).json()["items"]
    verdict = next(one for one in told if one["by_run"] == run["id"])
    if verdict["verdict"] == "differs":
        seen = (f"{one['what']}: {one['recorded']} → {one['reproduced']}" for one in verdict["differences"])
        fail({"code": "run.differs", "detail": "; ".join(seen), **verdict}, REFUSED, session.as_json)
    elsewhere = len(verdict["environment"])
    session.say(verdict, f"{of} was reproduced: file and metrics are equal ({elsewhere} other distributions)")


def retry(
    session: Session,
    run_id: RunId,
    wait: Wait = False,
    override: Override = False,
    reason: WhyOverride = None,
) -> None:
    """Once more, as it was pinned."""
    body = answered(reason, override=override)
    _say(session, session.api.post(f"/runs/{segment(run_id)}/retry", body, _waiting(wait)).json(), wait)


def compare(session: Session, run_ids: Annotated[list[str], typer.Argument(help="Run ids.")]) -> None:
    """Side by side."""
    found = session.api.get("/runs/compare", {"ids": ",".join(run_ids)}).json()
    headings = [run["id"] for run in found["runs"]]
    parts = ("metrics", "parameters", "settings", "inputs")
    rows = [
        {"name": row["name"], **dict(zip(headings, row["values"], strict=True))}
        for part in parts
        for row in found[part]
    ]
    if session.as_json:
        session.show(found)
    else:
        session.show_rows(rows, {"": "name", **{one: one for one in headings}})


def list_runs(
    session: Session,
    instance: Annotated[str | None, typer.Option(help="Only this instance's.")] = None,
    kind: Annotated[str | None, typer.Option(help="training, inference, monitoring")] = None,
    state: Annotated[str | None, typer.Option(help="pending, running, completed, failed, cancelled")] = None,
    sort: Annotated[str, typer.Option(help="submitted or metric.<name>; '-' for descending.")] = "-submitted",
    limit: Annotated[int, typer.Option(min=1)] = 50,
) -> None:
    """Runs."""
    query = {"instance": instance, "kind": kind, "state": state, "sort": sort}
    session.show_rows(session.api.pages("/runs", query, limit), _COLUMNS)


def show(session: Session, run_id: RunId) -> None:
    """One run."""
    run = session.api.get(f"/runs/{segment(run_id)}").json()
    session.show(run, _facts(run))


def logs(session: Session, run_id: RunId) -> None:
    """The log as text."""
    text = session.api.get(f"/runs/{segment(run_id)}/logs", accept="text/plain").body.decode(errors="replace")
    session.say({"run_id": run_id, "log": text}, text.rstrip("\n"))


def cancel(session: Session, run_id: RunId, reason: str | None = None) -> None:
    """End it."""
    written = session.api.post(f"/runs/{segment(run_id)}/cancel", _given({"reason": reason})).json()
    session.say(written, f"run {run_id} cancelled [{written['position']}]")


def _submit(session: Session, instance: str, body: dict[str, Any], wait: bool) -> None:
    path = f"/instances/{segment(instance)}/runs"
    _say(session, session.api.post(path, _given(body), _waiting(wait)).json(), wait)


def _say(session: Session, answer: dict[str, Any], wait: bool) -> None:
    run = _ended(session, answer) if wait else None
    if run is None:
        kind = answer["refs"][0].partition("_")[0]
        session.say(answer, f"{kind} run {answer['run_id']} submitted [{answer['position']}]")
        return
    if run["state"] != "completed":
        error = run["error"] or {"code": f"run.{run['state']}", "message": run["state"]}
        fail({"code": error["code"], "detail": error["message"], "run": run}, REFUSED, session.as_json)
    session.show(run, _facts(run))


def _ended(session: Session, answer: dict[str, Any]) -> dict[str, Any]:
    """The run once it has ended; each call waits as long as the service lets it."""
    run = answer["run"]
    while run is None:
        path, query = "/activity/stream", {"beyond": answer["position"], "resource_id": answer["run_id"]}
        for event in session.api.stream(path, query):
            if event["action"].partition(".")[2] in ("completed", "failed", "cancelled"):
                break
        known = session.api.get(f"/runs/{answer['run_id']}").json()
        run = known if known["ended"] else None
    return run


def _facts(run: dict[str, Any]) -> dict[str, Any]:
    made = {"model_version": f"{run['instance']}@{run['model_version']}"} if run["model_version"] else {}
    if run["dataset_version"]:
        made["dataset_version"] = f"{run['output_dataset']}@{run['dataset_version']}"
    return {
        "run": run["node"],
        "state": run["state"],
        "instance": run["instance"],
        "definition": run["definition"],
        "as of": run["as_of"],
        "inputs": ", ".join(f"{one['dataset']}@{one['version']}" for one in run["inputs"]),
        "model": f"{run['instance']}@{run['model']['number']}" if run["model"] else None,
        **made,
        **{f"metric {name}": value for name, value in run["metrics"].items()},
        "error": f"{run['error']['code']}: {run['error']['message']}" if run["error"] else None,
    }


def _params(given: list[str] | None) -> dict[str, Any]:
    return {name: _value(text) for name, _, text in (one.partition("=") for one in given or ())}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _given(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value is not None}


def _waiting(wait: bool) -> dict[str, Any]:
    return {"wait": _WAIT_S} if wait else {}
