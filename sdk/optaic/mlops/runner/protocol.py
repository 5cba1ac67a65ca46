"""What a run and its executor say to each other over the run's socket.

A frame is a 4-byte big-endian length and that many bytes of UTF-8 JSON, at most `FRAME_BYTES_MAX`; of a call
at most `CALL_BYTES_MAX`. The run
asks, the executor answers in order; a connection may ask any number of times, and a run may open several
connections.

    request   {"call": "read", "arguments": {"role": "prices", "as_of": "2024-01-31T21:00:00+00:00"}}
    answer    {"value": {"path": "/…/inputs/0001.arrow"}}
    refusal   {"error": {"code": "pit.input_not_declared", "message": "…"}}

| call | arguments | value |
|---|---|---|
| describe | | the run's description (`description.RunDescription`) |
| read | role or dataset, as_of, version?, revisions? | an Arrow IPC file's path: rows as of then, or all |
| sessions | calendar, first, last | path of an Arrow IPC file: date, close |
| log_metrics | points [{name, step, value}], at most 1,000 | |
| progress | fraction 0..1, message | |
| heartbeat | | |
| stage_output | path of a Parquet file in the run's folder, decisions? (its dates) | |
| stage_artifact | path of a folder in the run's folder, format | sha256 of the canonical archive |
| stage_report | path of a file in the run's folder, name: `report` or `evidently` | |
| complete | metrics, facts | the results are handed over; they count once the process ended well |
| fail | code, message | the reason, told before the process ends |

Reads are answered only for inputs pinned at submission (else `pit.input_not_declared`) and as of no later
moment than the run's own (else `pit.read_after_as_of`).
"""

import json
import socket
import struct
from typing import Any

SOCKET_SETTING = "OPTAIC_MLOPS_RUN_SOCKET"
"""Where a run finds its executor; set only inside a run."""
FRAME_BYTES_MAX = 16 * 1024 * 1024
CALL_BYTES_MAX = 2 * 1024 * 1024
METRIC_POINTS_MAX = 1_000
_LENGTH = struct.Struct(">I")

Message = dict[str, Any]
"""A decoded frame: plain JSON, its members as the table above names them."""


class FrameMalformed(Exception):
    """The other side did not send a frame of this protocol."""


def send_frame(connection: socket.socket, message: Message) -> None:
    """Send one frame; raises FrameMalformed where it would be too long, ValueError for NaN."""
    content = json.dumps(message, allow_nan=False, separators=(",", ":")).encode()
    if len(content) > FRAME_BYTES_MAX:
        raise FrameMalformed(f"a frame of {len(content)} bytes is too long")
    connection.sendall(_LENGTH.pack(len(content)) + content)


def receive_frame(connection: socket.socket) -> Message | None:
    """The next frame; None when the other side closed; raises FrameMalformed."""
    content = receive_content(connection, FRAME_BYTES_MAX)
    if content is None:
        return None
    try:
        message = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FrameMalformed("a frame is not JSON") from error
    if not isinstance(message, dict):
        raise FrameMalformed("a frame is not a JSON object")
    return message  # pyright: ignore[reportUnknownVariableType]  # JSON objects have string keys


def receive_content(connection: socket.socket, bytes_max: int) -> bytes | None:
    """The next frame's bytes as they came; None when the other side closed; raises FrameMalformed."""
    head = _receive(connection, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > bytes_max:
        raise FrameMalformed(f"a frame of {length} bytes is too long")
    content = _receive(connection, length)
    if content is None:
        raise FrameMalformed("the connection ended inside a frame")
    return content


def _receive(connection: socket.socket, count: int) -> bytes | None:
    """So many bytes; the kernel waits for them, so that many small pieces cost no more than one."""
    content = bytearray(count)
    arrived = 0
    while arrived < count:
        part = connection.recv_into(memoryview(content)[arrived:], flags=socket.MSG_WAITALL)
        if not part:
            if arrived:
                raise FrameMalformed("the connection ended inside a frame")
            return None
        arrived += part
    return bytes(content)
