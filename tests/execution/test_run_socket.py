"""What a run may ask of its socket is bounded: how much at once, how fast, and how much in all."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.execution import session
from infrastructure.execution.socket_server import CALLS_A_SECOND, CALLS_AT_ONCE, Pace, serve_socket
from optaic.mlops.runner.protocol import FrameMalformed, receive_content
from tests.execution.definition_packages import with_fit
from tests.execution.test_bad_runs import printed, running
from tests.execution.work_desk import Desk

HEAD = struct.Struct(">I")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_a_frame_in_many_small_pieces_is_one_frame(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair

    def dribble() -> None:
        for byte in HEAD.pack(5000) + b"x" * 5000:
            one.sendall(bytes([byte]))

    sender = threading.Thread(target=dribble)
    sender.start()
    assert receive_content(other, 5000) == b"x" * 5000
    sender.join()


def test_an_end_inside_a_frame_is_told_apart_from_one_between_two(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    one, other = pair
    one.sendall(HEAD.pack(1) + b"x" + HEAD.pack(5) + b"half")
    one.shutdown(socket.SHUT_WR)
    assert receive_content(other, 9) == b"x"
    with pytest.raises(FrameMalformed, match="inside a frame"):
        receive_content(other, 9)
    assert receive_content(other, 9) is None


def test_calls_go_on_at_once_up_to_a_number_and_then_at_a_rate() -> None:
    pace = Pace(at_once=100.0, a_second=1000.0)
    begun = time.monotonic()
    for _ in range(300):
        pace.wait(1)
    assert 0.2 <= time.monotonic() - begun < 5


def test_whoever_waits_for_its_turn_goes_on_when_the_run_has_ended() -> None:
    pace = Pace(at_once=1.0, a_second=0.001)
    waiting = threading.Thread(target=pace.wait, args=(10,))
    waiting.start()
    pace.end()
    waiting.join(20)
    assert not waiting.is_alive()


def test_a_run_that_calls_without_end_takes_little_of_the_services_time(tmp_path: Path) -> None:
    answered: list[object] = []
    call = json.dumps({"call": "heartbeat", "arguments": {}}).encode()
    frame = HEAD.pack(len(call)) + call
    begun = time.monotonic()

    def flood(path: str) -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            while time.monotonic() - begun < 3:
                connection.sendall(frame)
                receive_content(connection, 100)

    with serve_socket(lambda message: answered.append(message) or {}, tmp_path) as path:
        threads = [threading.Thread(target=flood, args=(str(path),)) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert len(answered) <= CALLS_AT_ONCE + CALLS_A_SECOND * (time.monotonic() - begun)


GREEDY = """
from datetime import date
from optaic.mlops.runner.connection import RunRefused, connect
connection = connect()
def until_refused(ask):
    for n in range(9):
        try:
            ask(n)
        except RunRefused as refusal:
            print(n, refusal)
            return
until_refused(lambda n: connection.sessions(str(n), date(2024, 1, 2), date(2024, 1, 3)))
raise SystemExit(4)
"""


def test_a_run_may_ask_for_so_many_calendars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CALENDARS_MAX", 3)
    desk = Desk(tmp_path)
    run = desk.submit(1, desk.package("greedy", with_fit(GREEDY)))
    with running(desk):
        desk.wait(lambda: run in desk.failed)
    lines = [line for line in printed(desk, desk.failed[run]).splitlines() if "run.call_malformed" in line]
    assert lines[0].startswith("2 run.call_malformed")  # the training itself asked for one
