"""G15, short form: schemathesis asks everything that the OpenAPI document allows and much that it does not.

No server error, no answer that the document does not describe; each operation answers 2xx at least once in
`tests/http`.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from infrastructure.http.openapi import described
from projections.engine import snapshot
from tests.http.life import Life, living

DOCUMENT = described()
STREAM = "stream_activity"
"""Never ends by itself; tests/http/test_stream_of_activity.py has it."""
EXAMPLES = int(os.environ.get("OPTAIC_MLOPS_TEST_EXAMPLES", "8"))


@schemathesis.serializer(
    "application/vnd.apache.parquet",
    "application/vnd.apache.arrow.file",
    "application/vnd.apache.arrow.stream",
    "application/zip",
)
def as_bytes(_context: Any, value: Any) -> bytes:
    """Whatever was made up, as it is."""
    return value if isinstance(value, bytes) else str(value).encode()


schema = schemathesis.openapi.from_dict(DOCUMENT)
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def at_once() -> Iterator[None]:
    """A request that names a position beyond the log is not given half a second for the log to come."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(snapshot, "_HEARD_S", 0.0)
        yield


@pytest.fixture(scope="module")
def fuzzed(at_once: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    with living(tmp_path_factory.mktemp("fuzzed") / "data", wait_s_max=0.2) as one:
        one.ready_instance()
        one.promoted()
        one.inferred()
        yield one


@schema.exclude(operation_id=STREAM).parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
def test_no_request_breaks_the_service_or_the_document(case: Any, fuzzed: Life):
    base = str(fuzzed.client.base_url).rstrip("/")
    case.call_and_validate(base_url=base, checks=CHECKS)


def test_the_log_is_whole_after_all_that(fuzzed: Life):
    assert fuzzed.post("/system/verify")["problems"] == []


def test_the_document_stands_in_docs():
    assert (Path(__file__).resolve().parents[2] / "docs" / "openapi.json").is_file()
