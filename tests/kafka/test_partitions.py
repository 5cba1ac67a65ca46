"""Everybody puts a tenant into the same partition."""

import warnings

from hypothesis import given
from hypothesis import strategies as st

from infrastructure.kafka.partitions import murmur2, partition_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka.partitioner import default


@given(st.binary(max_size=80))
def test_a_key_hashes_as_with_kafka_python(key: bytes) -> None:
    assert murmur2(key) == default.murmur2(key)


def test_a_tenant_lies_where_java_puts_it() -> None:
    # Utils.murmur2 of Kafka's own test: "foobar" and "21"
    assert murmur2(b"foobar") == -790332482 & 0xFFFFFFFF
    assert murmur2(b"21") == -973932308 & 0xFFFFFFFF
    assert {partition_of(f"tenant-{number}", 6) for number in range(40)} == set(range(6))
