"""Bodies: JSON decoded strictly by msgspec, files streamed to a temporary place."""

import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from anyio import to_thread
from fastapi import Depends, Request
from starlette.requests import ClientDisconnect

from domain.shared.command import Command
from domain.shared.errors import CommandMalformed
from infrastructure.http.errors import RequestIncomplete, RequestMediaTypeUnsupported, RequestTooLarge

C = TypeVar("C", bound=Command)
S = TypeVar("S", bound=msgspec.Struct)

INTEGER_MAX = 2**53
"""Integers beyond are not exact everywhere: they travel as strings."""
_CHUNK = 1 << 20


async def json_body(request: Request) -> bytes:
    """The raw bytes of a JSON body; empty if there was none."""
    limit = request.app.state.settings.json_bytes_max
    content = b"".join([chunk async for chunk in _limited(request, limit)])
    if content and media_type(request) != "application/json":
        raise RequestMediaTypeUnsupported(f"the body is {media_type(request)!r}, not application/json")
    return content


async def uploaded_file(request: Request) -> AsyncIterator[Path]:
    """The body in a temporary file, which is gone after the request."""
    limit = request.app.state.settings.upload_bytes_max
    folder = Path(await to_thread.run_sync(lambda: tempfile.mkdtemp(dir=request.app.state.uploads)))
    try:
        path = folder / "body"
        with path.open("xb") as file:
            waiting = bytearray()
            async for chunk in _limited(request, limit):
                waiting += chunk
                if len(waiting) >= _CHUNK:
                    await to_thread.run_sync(file.write, bytes(waiting))
                    waiting.clear()
            file.write(waiting)
        yield path
    finally:
        await to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))


JsonBody = Annotated[bytes, Depends(json_body)]
UploadedFile = Annotated[Path, Depends(uploaded_file, scope="function")]
"""Gone before the answer is sent."""


async def _limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    declared = request.headers.get("content-length", "0")
    size = int(declared) if declared.isascii() and declared.isdigit() else 0
    try:
        if size <= limit:
            size = 0
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    break
                yield chunk
    except ClientDisconnect:
        raise RequestIncomplete("the connection ended within the body") from None
    if size > limit:
        raise RequestTooLarge(f"the body has more than {limit} bytes", limit_bytes=limit)


def media_type(request: Request) -> str:
    """The media type of the body, in lower case and without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def decoded(content: bytes, of: type[C], **from_path: Any) -> tuple[C, str | None]:
    """A command out of a body that lacks the fields that the path gives, and its `reason`.

    Raises CommandMalformed with the path of the first field that is wrong.
    """
    fields = _fields(content)
    reason = _typed(fields.pop("reason", msgspec.Raw(b"null")), str | None, " - at `$.reason`")
    for name, value in from_path.items():
        if name in fields:
            raise CommandMalformed(f"{name!r} is given by the address, not by the body", path=f"$.{name}")
        fields[name] = msgspec.Raw(msgspec.json.encode(value))
    return _typed(msgspec.json.encode(fields), of), reason


def decoded_exactly(content: bytes, of: type[S]) -> S:
    """A body that is exactly this type. Raises CommandMalformed."""
    _check_strict(content)
    return _typed(content, of)


def made(of: type[C], **fields: Any) -> C:
    """A command of values that were given outside a body, checked like one. Raises CommandMalformed."""
    try:
        return msgspec.convert(fields, of)
    except msgspec.ValidationError as error:
        raise CommandMalformed(str(error)) from None


def _fields(content: bytes) -> dict[str, Any]:
    _check_strict(content or b"{}")
    return _typed(content or b"{}", dict[str, msgspec.Raw])


def _typed(content: Any, of: Any, where: str = "") -> Any:
    try:
        return msgspec.json.decode(content, type=of)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CommandMalformed(f"{error}{where}") from None


def _check_strict(content: bytes) -> None:
    """Refuse what decoders disagree about: a key twice, integers that are not exact, NaN, broken text."""
    try:
        json.loads(
            content.decode(), object_pairs_hook=_unique, parse_int=_exact, parse_constant=_not_a_number
        )
    except RecursionError:
        raise CommandMalformed("the JSON is nested too deeply") from None
    except ValueError as error:
        raise CommandMalformed(f"not JSON: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise CommandMalformed(f"the key {twice!r} is there twice", path=twice)
    return dict(pairs)


def _exact(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > INTEGER_MAX:  # noqa: PLR2004 - more digits than 2**53 and a sign
        raise CommandMalformed(f"the integer {digits[:40]} is beyond 2^53: send it as a string")
    return int(digits)


def _not_a_number(name: str) -> float:
    raise CommandMalformed(f"{name} is not a JSON number; send null or leave it out")
