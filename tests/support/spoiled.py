"""Objects of declared types in which one value is outside its bounds, and all else is as it should be."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

from msgspec import inspect

from tests.support.valid import RUN, digest

_TEXTS = ("alpha", digest("a text"), RUN, "16:30 UTC", "0" * 16, f"{'0' * 32}-1", "p_author")
"""One of them fits each pattern."""


def spoiled(cls: type[Any]) -> list[Any]:
    """An object for each bound anywhere in the class: a bound kept everywhere but there."""
    return list(_spoiled(inspect.type_info(cls)))


def _spoiled(kind: inspect.Type) -> Iterator[Any]:
    match kind:
        case inspect.StructType():
            for field in kind.fields:
                for bad in _spoiled(field.type):
                    yield kind.cls(**{**_fields(kind), field.name: bad})
        case inspect.UnionType():
            for one in kind.types:
                yield from _spoiled(one)
        case inspect.VarTupleType():
            yield from ((bad,) for bad in _spoiled(kind.item_type))
            if kind.min_length:
                yield ()
            if kind.max_length is not None:
                yield (_valid(kind.item_type),) * (kind.max_length + 1)
        case inspect.DictType():
            yield from ({bad: _valid(kind.value_type)} for bad in _spoiled(kind.key_type))
            yield from ({_valid(kind.key_type): bad} for bad in _spoiled(kind.value_type))
        case inspect.Metadata():
            yield from _spoiled(kind.type)
        case _:
            yield from _outside(kind)


def _fields(kind: inspect.StructType) -> dict[str, Any]:
    return {field.name: _valid(field.type) for field in kind.fields if field.required}


def _valid(kind: inspect.Type) -> Any:
    match kind:
        case inspect.StructType():
            return kind.cls(**_fields(kind))
        case inspect.UnionType():
            return _valid(kind.types[0])
        case inspect.VarTupleType():
            return (_valid(kind.item_type),) * (kind.min_length or 0)
        case inspect.DictType():
            return {}
        case inspect.Metadata():
            return _valid(kind.type)
        case _:
            return _scalar(kind)


def _scalar(kind: inspect.Type) -> Any:
    match kind:
        case inspect.StrType():
            return next(text for text in _TEXTS if kind.pattern is None or re.search(kind.pattern, text))
        case inspect.IntType() | inspect.FloatType():
            return max(one for one in (1, kind.ge) if one is not None)
        case inspect.BoolType():
            return False
        case inspect.DateTimeType():
            return datetime(2020, 1, 1, tzinfo=UTC)
        case inspect.DateType():
            return date(2020, 1, 1)
        case inspect.LiteralType():
            return kind.values[0]
        case inspect.EnumType():
            return next(iter(kind.cls))
        case inspect.NoneType() | inspect.AnyType():
            return None
        case _:
            raise NotImplementedError(f"no value for {kind}")


def _outside(kind: inspect.Type) -> Sequence[Any]:
    match kind:
        case inspect.StrType():
            long = [] if kind.max_length is None else ["x" * (kind.max_length + 1)]
            short = ["x" * (kind.min_length - 1)] if kind.min_length else []
            return [*long, *short, *([] if kind.pattern is None else ["", "no such text\n"])]
        case inspect.IntType() | inspect.FloatType():
            low = (kind.gt, None if kind.ge is None else kind.ge - 1)
            high = (kind.lt, None if kind.le is None else kind.le + 1)
            return [one for one in (*low, *high) if one is not None]
        case inspect.DateTimeType(tz=True):
            return [datetime(2020, 1, 1)]
        case inspect.LiteralType() | inspect.EnumType():
            return ["no such word"]
        case _:
            return []
