"""Log entries of a role: one line each, text or JSON, with what is being worked on, without secrets.

Everything goes through the standard `logging`, so uvicorn, FastStream and the Kafka clients do the same.
Writing an entry never fails: what cannot be formatted or encoded is written as well as it can be.
"""

import json
import logging
import sys
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import structlog
from structlog.contextvars import bound_contextvars
from structlog.stdlib import ProcessorFormatter
from structlog.tracebacks import ExceptionDictTransformer

from infrastructure.observability.masking import masked

Form = Literal["text", "json"]
Entry = MutableMapping[str, Any]
_CALM = ("confluent_kafka", "faststream", "uvicorn", "sqlalchemy", "botocore", "aiobotocore", "s3fs", "httpx")
_CONTROL = {number: f"\\x{number:02x}" for number in (*range(32), 127, 0x85, 0x2028, 0x2029)} | {
    0x85: "\\x85",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
    9: "\\t",
    10: "\\n",
    13: "\\r",
}
_LOOK = ("time", "level", "role", "logger", "message")
_transform = ExceptionDictTransformer(show_locals=False, max_frames=20)


def bound(**fields: Any) -> AbstractContextManager[None]:
    """What is worked on (`correlation_id`, `command_id`, `tenant`, `position`): in every entry within."""
    return bound_contextvars(**{name: str(value) for name, value in fields.items() if value is not None})


def configure(role: str, form: Form, *, stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Every logger of the process writes entries of this form to `stream` (standard error); twice is once."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Formatter(role, form, handler))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "faststream"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in _CALM:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )


class _Formatter(ProcessorFormatter):
    """From a record to its line."""

    def __init__(self, role: str, form: Form, handler: "logging.StreamHandler[TextIO]") -> None:
        self._role = role
        self._handler = handler
        render: Callable[[Any, str, Entry], str] = _as_json if form == "json" else _as_text
        super().__init__(
            foreign_pre_chain=[structlog.contextvars.merge_contextvars],
            processors=[self._described, _without_secrets, render],
            keep_exc_info=False,
        )

    def format(self, record: logging.LogRecord) -> str:
        """The entry of a record, whatever is in it."""
        try:
            line = super().format(_formatted(record))
        except Exception as error:
            line = f"{record.levelname} {record.name}: an entry that cannot be shown ({type(error).__name__})"
        encoding = getattr(self._handler.stream, "encoding", None) or "utf-8"
        return line.encode(encoding, "backslashreplace").decode(encoding)

    def _described(self, _logger: Any, _method: str, entry: Entry) -> Entry:
        record: logging.LogRecord = entry.pop("_record")
        entry.pop("_from_structlog", None)
        raised = entry.pop("exc_info", None) or record.exc_info
        described = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "role": self._role,
            "logger": record.name,
            "message": entry.pop("event", ""),
        }
        entry.update(described)
        if raised is True:
            raised = sys.exc_info()
        if isinstance(raised, BaseException):
            raised = (type(raised), raised, raised.__traceback__)
        if raised and raised[0] is not None:
            entry["exception"] = _transform(raised)
        return entry


def _formatted(record: logging.LogRecord) -> logging.LogRecord:
    """The record with its message made, although its arguments may not fit."""
    if isinstance(record.msg, dict):
        return record
    made = logging.makeLogRecord(record.__dict__)
    try:
        made.msg = record.getMessage()
    except Exception:
        made.msg = masked(record.msg) if isinstance(record.msg, str) else masked([record.msg])[0]
    made.args = ()
    return made


def _without_secrets(_logger: Any, _method: str, entry: Entry) -> Entry:
    return masked(entry)


def _as_json(_logger: Any, _method: str, entry: Entry) -> str:
    first = {name: entry.pop(name) for name in _LOOK}
    return json.dumps(first | dict(entry), default=str)


def _as_text(_logger: Any, _method: str, entry: Entry) -> str:
    time, level, role, logger, message = (str(entry.pop(name)) for name in _LOOK)
    raised = entry.pop("exception", None)
    parts = [time, level.upper(), role, f"{logger}:", message]
    parts += [f"{name}={_quoted(value)}" for name, value in entry.items()]
    parts += [f"exception={_quoted(_told(raised))}"] if raised else []
    return " ".join(parts).translate(_CONTROL)


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return (
        text if text and not any(each in text for each in ' ="\n') else json.dumps(text, ensure_ascii=False)
    )


def _told(raised: list[dict[str, Any]]) -> str:
    """`Type: message at file:line in function, …`, the cause after the effect."""
    told: list[str] = []
    for one in raised:
        frames = ", ".join(
            f"{frame['filename']}:{frame['lineno']} in {frame['name']}" for frame in reversed(one["frames"])
        )
        told.append(f"{one['exc_type']}: {one['exc_value']} at {frames}")
    return " | from ".join(told)
