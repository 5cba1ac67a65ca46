"""A command that was made in this process keeps the bounds that decoding asks of one from outside."""

import re
from functools import cache

import msgspec

from domain.shared.command import Command
from domain.shared.errors import CommandMalformed

_PLACED = re.compile(r"(?P<bound>.*?)(?: - at (?:the key of )?`(?P<path>[^`]*)`)?")
_NOT_FINITE = " (in JSON, NaN and infinity are null)"
_encode = msgspec.json.Encoder(order="deterministic").encode


def encoded(command: Command) -> bytes:
    """The command as JSON. Raises CommandMalformed for what JSON cannot say."""
    try:
        return _encode(command)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise CommandMalformed(f"{command.TYPE} cannot be written as JSON: {error}") from None


def check_bounds(command: Command, content: bytes) -> None:
    """`content`: the command as `encoded` gave it. Raises CommandMalformed with the field and its bound.

    msgspec looks at bounds only when it decodes. What is outside them would be recorded in an event that can
    never be read again.
    """
    try:
        _decoder(type(command)).decode(content)
    except msgspec.ValidationError as error:
        found = _PLACED.fullmatch(str(error))
        bound, path = (found["bound"], found["path"]) if found else (str(error), None)
        why = f"{error}{_NOT_FINITE if '`null`' in bound else ''}"
        raise CommandMalformed(f"{command.TYPE}: {why}", path=path or "$", bound=bound) from None


@cache
def _decoder(of: type[Command]) -> msgspec.json.Decoder[Command]:
    return msgspec.json.Decoder(of)
