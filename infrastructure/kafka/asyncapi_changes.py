"""What would break a reader of our events or a sender of commands: two sets of published schemas compared.

Of an event, a reader holds on to every field that it was promised: none may go, become optional, or take
another form. Of a command, a sender holds on to everything that was accepted: no field or form may go, none
may become required, no bound may tighten. Whatever only adds is no break.

`python -m infrastructure.kafka.asyncapi_changes` publishes the present schemas, if they break nothing.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]
PUBLISHED = Path(__file__).parents[2] / "docs" / "schemas" / "published.json"
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_VALUES = ("const", "pattern", "format", "multipleOf", "uniqueItems")


def breaking_changes(old: Json, new: Json) -> list[str]:
    """One sentence a break; `old` and `new` as `asyncapi.schemas_of` makes them."""
    return [
        *_of_kind("events", _Reading(old["parts"], new["parts"]), old, new),
        *_of_kind("commands", _Sending(old["parts"], new["parts"]), old, new),
        *(f"result{what}" for what in _Reading(old["parts"], new["parts"]).of(old["result"], new["result"])),
    ]


def _of_kind(kind: str, compare: "_Compare", old: Json, new: Json) -> Iterator[str]:
    for name, schema in old[kind].items():
        if name not in new[kind]:
            yield f"{name}: is gone"
        else:
            yield from (f"{name}{what}" for what in compare.of(schema, new[kind][name]))


class _Compare:
    """What both directions have in common."""

    def __init__(self, old_parts: Json, new_parts: Json) -> None:
        self._old_parts, self._new_parts = old_parts, new_parts
        self._seen: set[tuple[str, str]] = set()

    def of(self, old: Json, new: Json, path: str = "") -> Iterator[str]:
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if all(pair):
            if pair in self._seen:
                return
            self._seen.add(pair)
        olds = _options(_resolved(old, self._old_parts), self._old_parts)
        news = _options(_resolved(new, self._new_parts), self._new_parts)
        yield from self.options(olds, news, path)
        for kind in olds.keys() & news.keys():
            yield from self._same_kind(olds[kind], news[kind], path)

    def _same_kind(self, old: Json, new: Json, path: str) -> Iterator[str]:
        yield from self.values(old, new, path)
        yield from self.properties(old, new, path)
        for name in old.get("properties", {}).keys() & new.get("properties", {}).keys():
            yield from self.of(old["properties"][name], new["properties"][name], f"{path}.{name}")
        for inner in ("items", "additionalProperties"):
            if isinstance(old.get(inner), dict) and isinstance(new.get(inner), dict):
                yield from self.of(old[inner], new[inner], f"{path}[]")
        for index, (one, other) in enumerate(
            zip(old.get("prefixItems", ()), new.get("prefixItems", ()), strict=False)
        ):
            yield from self.of(one, other, f"{path}[{index}]")

    def options(self, olds: Json, news: Json, path: str) -> Iterator[str]:
        raise NotImplementedError

    def values(self, old: Json, new: Json, path: str) -> Iterator[str]:
        raise NotImplementedError

    def properties(self, old: Json, new: Json, path: str) -> Iterator[str]:
        raise NotImplementedError


class _Reading(_Compare):
    """We write, others read."""

    def options(self, olds: Json, news: Json, path: str) -> Iterator[str]:
        if "any" not in olds:
            yield from (f"{path}: may be {kind} now" for kind in sorted(news.keys() - olds.keys()))
        if not olds.keys() & news.keys():
            yield f"{path}: is never {' or '.join(sorted(olds))} any more"

    def values(self, old: Json, new: Json, path: str) -> Iterator[str]:
        for name in ("const", "format"):
            if name in old and old[name] != new.get(name):
                yield f"{path}: {name} was {old[name]!r}, is {new.get(name)!r}"

    def properties(self, old: Json, new: Json, path: str) -> Iterator[str]:
        gone = old.get("properties", {}).keys() - new.get("properties", {}).keys()
        yield from (f"{path}.{name}: is gone" for name in sorted(gone))
        optional = set(old.get("required", ())) - set(new.get("required", ())) - gone
        yield from (f"{path}.{name}: may be left out now" for name in sorted(optional))


class _Sending(_Compare):
    """Others write, we read."""

    def options(self, olds: Json, news: Json, path: str) -> Iterator[str]:
        if "any" not in news:
            yield from (f"{path}: may not be {kind} any more" for kind in sorted(olds.keys() - news.keys()))

    def values(self, old: Json, new: Json, path: str) -> Iterator[str]:
        if "enum" in new:
            gone = [one for one in old.get("enum", ["anything"]) if one not in new["enum"]]
            yield from (f"{path}: {one!r} is refused now" for one in gone)
        for name in _VALUES:
            if name in new and new[name] != old.get(name):
                yield f"{path}: {name} was {old.get(name)!r}, is {new[name]!r}"
        for names, sign in ((_LOWER, 1), (_UPPER, -1)):
            for name in names:
                if name in new and (name not in old or sign * new[name] > sign * old[name]):
                    yield f"{path}: {name} was {old.get(name)}, is {new[name]}"

    def properties(self, old: Json, new: Json, path: str) -> Iterator[str]:
        if new.get("additionalProperties") is False:
            gone = old.get("properties", {}).keys() - new.get("properties", {}).keys()
            yield from (f"{path}.{name}: is refused now" for name in sorted(gone))
        needed = set(new.get("required", ())) - set(old.get("required", ()))
        yield from (f"{path}.{name}: is required now" for name in sorted(needed))


def _resolved(schema: Json, parts: Json) -> Json:
    while "$ref" in schema:
        schema = parts[schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def _options(schema: Json, parts: Json) -> dict[str, Json]:
    """The forms that a value may have, each by the name of its kind."""
    if "anyOf" in schema:
        found: dict[str, Json] = {}
        for option in schema["anyOf"]:
            for kind, one in _options(_resolved(option, parts), parts).items():
                found[f"{kind} {one['title']}" if kind == "object" and kind in found else kind] = one
        return found
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return dict.fromkeys(kinds, schema)
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if values is None:
        return {"any": schema}
    return {_kind_of(value): schema for value in values}


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return {str: "string", int: "integer", float: "number"}.get(type(value), "object")


def published() -> Json:
    """The schemas that others rely on."""
    return json.loads(PUBLISHED.read_text(encoding="utf-8"))


def main() -> None:
    """Publish what the code says now; refuses what would break others."""
    from infrastructure.kafka.asyncapi import schemas_of

    present = schemas_of()
    broken = breaking_changes(published(), present) if PUBLISHED.exists() else []
    if broken:
        raise SystemExit("\n".join(["not published, others would break:", *broken]))
    text = json.dumps(present, indent=1, ensure_ascii=False, sort_keys=True)
    PUBLISHED.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
