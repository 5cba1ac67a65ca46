"""Hypothesis strategies for events, made from their declared types: what the code could ever store."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from domain.catalogue import EVENT_CLASSES
from domain.shared.activity import Event

_INT64 = 2**63 - 1
_characters = st.characters(codec="utf-8", exclude_categories=["Cs"])
_words = st.text(_characters, max_size=12)
_plain = st.none() | st.booleans() | st.integers(-9, 9) | _words


def any_event(cls: type[Event] | None = None) -> st.SearchStrategy[Any]:
    """An event of the class, or of any class of the catalogue."""
    return of_class(cls) if cls else st.sampled_from(EVENT_CLASSES).flatmap(of_class)


@cache
def of_class(cls: type[Event]) -> st.SearchStrategy[Any]:
    """An event of this class with every field drawn from its type."""
    return _of(inspect.type_info(cls))


def _of(kind: inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.StructType():
            fields = {field.encode_name: _of(field.type) for field in kind.fields}
            return st.builds(kind.cls, **fields)
        case inspect.UnionType():
            return st.one_of([_of(one) for one in kind.types])
        case inspect.VarTupleType():
            return st.lists(_of(kind.item_type), min_size=kind.min_length or 0, max_size=3).map(tuple)
        case inspect.DictType():
            return st.dictionaries(_of(kind.key_type), _of(kind.value_type), max_size=2)
        case inspect.Metadata():
            return _of(kind.type)
        case _:
            return _of_scalar(kind)


def _of_scalar(kind: inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.StrType(pattern=str(pattern)):
            return st.from_regex(pattern, fullmatch=True).map(lambda text: text.removesuffix("\n"))
        case inspect.StrType():
            return st.text(_characters, min_size=kind.min_length or 0, max_size=12)
        case inspect.IntType():
            return st.integers(kind.ge if kind.ge is not None else -_INT64, kind.le or _INT64)
        case inspect.FloatType():
            return st.floats(allow_nan=False, allow_infinity=False)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.DateTimeType():
            return st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
        case inspect.DateType():
            return st.dates()
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case inspect.EnumType():
            return st.sampled_from(list(kind.cls))
        case inspect.AnyType():
            return _plain
        case _:
            raise NotImplementedError(f"no strategy for {kind}")


def stored(event: Event) -> Event:
    """The event as it comes back from the log."""
    return msgspec.json.decode(msgspec.json.encode(event), type=type(event))
