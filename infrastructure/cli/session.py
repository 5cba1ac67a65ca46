"""What every command has: `--json`, `--url`, `--data`, a service to talk to, and one way to say no."""

import functools
import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from domain.shared.errors import Kind, RuleBroken
from infrastructure.cli import output
from infrastructure.cli.api import Api, Refused, as_problem

OK, REFUSED, USAGE, NOT_REACHABLE, FAILED = 0, 1, 2, 3, 4
"""Exit codes; docs/cli.md says what they mean."""
_INTERNAL = 500

JsonOption = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]
UrlOption = Annotated[
    str | None,
    typer.Option("--url", envvar="OPTAIC_MLOPS_URL", help="The service; default: the embedded one."),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", envvar="OPTAIC_MLOPS_DATA", help="Data folder of the embedded service."),
]


class Session:
    """One call of the command line."""

    def __init__(self, as_json: bool, url: str | None, data: Path | None) -> None:
        self.as_json = as_json
        self._url = url
        self._data = data

    @functools.cached_property
    def data(self) -> Path:
        """The data folder."""
        return (self._data or default_data()).expanduser().resolve()

    @functools.cached_property
    def api(self) -> Api:
        """The service under --url, else the embedded one, started if there is none.

        Raises ServiceNotReachable, ServiceStartFailed.
        """
        if self._url is not None:
            return Api(self._url)
        from infrastructure.embedded.starting import ensure_service

        return Api(ensure_service(self.data).url)

    def show_rows(self, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
        """A list: JSON, or a table of `columns` (heading → dotted path)."""
        if self.as_json:
            output.print_json(rows)
        else:
            output.print_rows(rows, columns)

    def show(self, value: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> None:
        """One thing: JSON, or the facts of it that a reader wants."""
        if self.as_json:
            output.print_json(value)
        else:
            output.print_facts(facts if facts is not None else value)

    def say(self, value: object, sentence: str) -> None:
        """What was done: JSON, or a sentence."""
        if self.as_json:
            output.print_json(value)
        else:
            print(sentence)


def default_data() -> Path:
    """As `infrastructure.settings.default_data`, without loading the settings."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "optaic-mlops"


def command(
    app: typer.Typer, name: str, **options: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command. Its first argument is the Session; the common options come here."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(as_json: bool, url: str | None, data: Path | None, **arguments: Any) -> None:
            with refusals(as_json):
                function(Session(as_json, url, data), **arguments)

        signature = inspect.signature(function)
        own = list(signature.parameters.values())[1:]
        parameters = [*_required(own), *_optional(own), *_COMMON]
        setattr(run, "__signature__", signature.replace(parameters=parameters))  # noqa: B010 - typed as absent
        run.__annotations__ = {one.name: one.annotation for one in [*own, *_COMMON]}
        app.command(name, **options)(run)
        return function

    return register


def _required(parameters: Sequence[inspect.Parameter]) -> Iterator[inspect.Parameter]:
    return (one for one in parameters if one.default is inspect.Parameter.empty)


def _optional(parameters: Sequence[inspect.Parameter]) -> Iterator[inspect.Parameter]:
    return (one for one in parameters if one.default is not inspect.Parameter.empty)


_KIND = inspect.Parameter.POSITIONAL_OR_KEYWORD
_COMMON = (
    inspect.Parameter("as_json", _KIND, default=False, annotation=JsonOption),
    inspect.Parameter("url", _KIND, default=None, annotation=UrlOption),
    inspect.Parameter("data", _KIND, default=None, annotation=DataOption),
)


class refusals:  # noqa: N801 - reads as what it does: `with refusals(...)`
    """Turns refusals into one line and an exit code; nobody sees a traceback for a wrong input."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        match error:
            case Refused():
                fail(error.problem, _code_of_status(error.status), self._as_json)
            case RuleBroken():
                code = NOT_REACHABLE if error.kind is Kind.UNAVAILABLE else REFUSED
                fail(as_problem(error), code, self._as_json)
            case OSError():
                fail({"code": "file.not_usable", "detail": str(error)}, REFUSED, self._as_json)
            case _:
                return


def fail(problem: Mapping[str, Any], code: int, as_json: bool = False) -> NoReturn:
    """Print a problem and end."""
    if as_json:
        output.print_json(problem)
    output.print_problem(problem)
    raise typer.Exit(code)


def _code_of_status(status: int) -> int:
    if status == _INTERNAL:
        return FAILED
    return NOT_REACHABLE if status > _INTERNAL else REFUSED
