"""Log entries: one line each, with their context, without secrets, whatever is logged."""

import io
import json
import logging
from datetime import datetime, timedelta

import pytest
import structlog

from infrastructure.observability import logs
from infrastructure.observability.masking import masked_text


@pytest.fixture
def written():
    """Configure the process's logging for a test; afterwards everything is as before."""
    names = ("uvicorn", "uvicorn.error", "uvicorn.access", "faststream", *logs._CALM)
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in names)]
    before = [(one, list(one.handlers), one.level, one.propagate) for one in loggers]

    def begin(form, encoding="utf-8"):
        raw = io.BytesIO()
        logs.configure("relay", form, stream=io.TextIOWrapper(raw, encoding=encoding, write_through=True))
        return lambda: raw.getvalue().decode(encoding).splitlines()

    yield begin
    for one, handlers, level, propagate in before:
        one.handlers[:] = handlers
        one.setLevel(level)
        one.propagate = propagate
    structlog.reset_defaults()


def test_an_entry_has_time_level_role_logger_message_and_context(written):
    lines = written("json")
    with logs.bound(correlation_id="c-1", command_id="m-1", tenant="acme", position=7):
        logging.getLogger("some.module").warning("partition %d waits", 3)
    (line,) = lines()
    entry = json.loads(line)
    assert datetime.fromisoformat(entry.pop("time")).utcoffset() == timedelta(0)
    assert entry == {
        "level": "warning",
        "role": "relay",
        "logger": "some.module",
        "message": "partition 3 waits",
        "correlation_id": "c-1",
        "command_id": "m-1",
        "tenant": "acme",
        "position": "7",
    }


def test_context_ends_with_its_block(written):
    lines = written("json")
    with logs.bound(tenant="acme"):
        pass
    logging.getLogger("x").error("later")
    assert "tenant" not in json.loads(lines()[0])


def test_text_is_one_line_an_entry_even_with_an_exception(written):
    lines = written("text")
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logging.getLogger("x").exception("it failed\nbadly")
    (line,) = lines()
    assert "ERROR relay x: it failed\\nbadly" in line
    assert "ValueError: first" in line
    assert "test_logs.py" in line


def test_exceptions_are_data_in_json(written):
    lines = written("json")
    try:
        try:
            raise OSError("postgresql://me:s3cret@host/db")
        except OSError as cause:
            raise ValueError("no") from cause
    except ValueError:
        logging.getLogger("x").exception("it failed")
    entry = json.loads(lines()[0])
    assert [one["exc_type"] for one in entry["exception"]] == ["ValueError", "OSError"]
    assert "s3cret" not in lines()[0]


def test_structlog_loggers_write_the_same_entries(written):
    lines = written("json")
    with logs.bound(tenant="acme"):
        structlog.get_logger("named").info("said", api_key="omk_1", partition=3)
    entry = json.loads(lines()[0])
    assert (entry["message"], entry["tenant"], entry["api_key"], entry["partition"]) == (
        "said",
        "acme",
        "***",
        3,
    )


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_that_is_logged_raises_or_is_lost(written, form, capsys):
    lines = written(form, "ascii")

    class Unspeakable:
        def __str__(self):
            raise RuntimeError("no words")

        __repr__ = __str__

    log = logging.getLogger("x")
    log.warning("a lone surrogate \ud800, a null \0, an umlaut ü, a line separator \u2028 there")
    log.warning("%d", "no number")
    log.warning("%s", Unspeakable())
    log.warning(Unspeakable())
    log.warning({"a": 1})
    structlog.get_logger("x").warning("odd", value=Unspeakable(), raw=b"\xff")
    assert len(lines()) == 6
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://app:p4ss@db:5432/log is away", "p4ss"),
        ("postgresql://app:p4@ss@db:5432/log", "p4@ss"),
        ("Authorization: Bearer abc.def-1", "abc.def-1"),
        ("sent Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("host=db password=p4ss dbname=x", "p4ss"),
        ("{'sasl.password': 'p4 ss', 'x': 1}", "p4 ss"),
        ('{"api_key": "k-123"}', "k-123"),
        ("http://h/?token=t0ken&x=1", "t0ken"),
    ],
)
def test_secrets_in_text_are_masked(text, secret):
    assert secret not in masked_text(text)
    assert "***" in masked_text(text)


def test_text_without_secrets_stays(written):
    for text in ("nothing here", "https://host/path?mail=a@b", "the token of run 7 expired", "a:b@c"):
        assert masked_text(text) == text


def test_secrets_never_reach_a_line(written):
    lines = written("text")
    logging.getLogger("x").warning("connecting to %s", "s3://key:s3cret@bucket/x")
    with logs.bound(database_url="postgresql://app:s3cret@db/x"):
        logging.getLogger("x").warning("context too")
    structlog.get_logger("x").info("nested", options={"sasl.password": "s3cret", "list": ["password=s3cret"]})
    assert len(lines()) == 3
    assert "s3cret" not in "\n".join(lines())
