"""A busy log commits in groups, bounded in every direction; one command's trouble is its own."""

import asyncio
import threading

import pytest

from application.ports import Outcome
from domain.shared.errors import LogBusy, StreamConflict
from infrastructure.activity_log.errors import LogWriteFailed
from infrastructure.activity_log.group_commit import GroupCommit, GroupLimits
from infrastructure.activity_log.submission import submission_of_writes
from tests.activity_log.scenes import append_many, envelope, write

DONE = Outcome(kind="accepted", position=1)


def command(events=1, size=0):
    made = submission_of_writes(envelope(), [write("stream", 0, events)])
    if size:
        object.__setattr__(made, "size_bytes", size)
    return made


class HeldWriter:
    """Writes nothing, remembers the batches, and holds the first one until it is let go."""

    def __init__(self):
        self.batches = []
        self.threads = []
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, batch):
        self.batches.append(list(batch))
        self.threads.append(threading.current_thread())
        self.begun.set()
        assert self.let_go.wait(30)
        return [DONE] * len(batch)


def sizes_after_a_held_write(limits, commands):
    """Occupy the writer, queue commands in order, let go; returns the sizes of the batches that followed."""
    writer = HeldWriter()
    group = GroupCommit(writer, limits)
    first = threading.Thread(target=group.submit, args=(command(),))
    first.start()
    assert writer.begun.wait(30)

    async def queue_all():
        waiting = [asyncio.ensure_future(group.submit_async(each)) for each in commands]
        await asyncio.sleep(0)  # each has queued itself
        writer.let_go.set()
        await asyncio.gather(*waiting)

    asyncio.run(queue_all())
    first.join()
    group.close()
    return [len(batch) for batch in writer.batches[1:]]


def test_an_idle_log_commits_in_the_callers_own_thread():
    writer = HeldWriter()
    writer.let_go.set()
    group = GroupCommit(writer)
    assert group.submit(command()) is DONE
    group.close()
    assert writer.threads == [threading.current_thread()]


def test_what_waits_is_taken_together():
    assert sizes_after_a_held_write(GroupLimits(), [command() for _ in range(40)]) == [40]


def test_a_batch_takes_so_many_commands_at_most():
    assert sizes_after_a_held_write(GroupLimits(commands=16), [command() for _ in range(40)]) == [16, 16, 8]


def test_a_batch_takes_so_many_events_at_most():
    commands = [command(events=4) for _ in range(5)]
    assert sizes_after_a_held_write(GroupLimits(events=10), commands) == [2, 2, 1]


def test_a_batch_takes_so_many_bytes_at_most_but_always_one_command():
    commands = [command(size=size) for size in (60, 30, 30, 200, 10)]
    assert sizes_after_a_held_write(GroupLimits(size_bytes=100), commands) == [2, 1, 1, 1]


def test_a_full_queue_refuses_and_says_when_to_come_again():
    writer = HeldWriter()
    group = GroupCommit(writer, GroupLimits(waiting=2))
    first = threading.Thread(target=group.submit, args=(command(),))
    first.start()
    assert writer.begun.wait(30)

    async def overfill():
        waiting = [asyncio.ensure_future(group.submit_async(command())) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(LogBusy) as refused:
            await group.submit_async(command())
        assert refused.value.facts == {"retry_after_s": 1}
        writer.let_go.set()
        return await asyncio.gather(*waiting)

    assert asyncio.run(overfill()) == [DONE, DONE]
    first.join()
    group.close()


def test_a_loop_is_woken_once_for_a_whole_batch(monkeypatch):
    writer = HeldWriter()
    group = GroupCommit(writer)

    async def count_wakes():
        loop = asyncio.get_running_loop()
        wakes = []
        real = loop.call_soon_threadsafe
        monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *args: (wakes.append(1), real(*args))[1])
        waiting = [asyncio.ensure_future(group.submit_async(command())) for _ in range(20)]
        await asyncio.sleep(0)
        writer.let_go.set()
        await asyncio.gather(*waiting)
        return len(wakes)

    woken = asyncio.run(count_wakes())
    group.close()
    assert woken == len(writer.batches) <= 2


def test_a_cancelled_caller_does_not_disturb_the_others():
    writer = HeldWriter()
    group = GroupCommit(writer)

    async def cancel_one():
        waiting = [asyncio.ensure_future(group.submit_async(command())) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        writer.let_go.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    first, second, third = asyncio.run(cancel_one())
    group.close()
    assert (first, third) == (DONE, DONE)
    assert isinstance(second, asyncio.CancelledError)


def test_commands_that_wait_at_the_close_are_still_written():
    assert sizes_after_a_held_write(GroupLimits(commands=1), [command() for _ in range(3)]) == [1, 1, 1]


def test_one_conflict_in_a_batch_leaves_the_others_alone(log):
    writes = [[write("a-1")], [write("a-2", 7)], [write("a-1", 1)], [write("a-3")]]
    batch = [submission_of_writes(envelope(), each) for each in writes]
    answers = log._store.writer.write(batch)
    assert [type(answer) for answer in answers] == [Outcome, StreamConflict, Outcome, Outcome]
    assert (log.head(), log.verify().problem) == (3, None)


def test_a_command_that_the_database_cannot_take_fails_alone(log):
    good = [submission_of_writes(envelope(), [write(f"good-{n}")]) for n in range(2)]
    poison = submission_of_writes(envelope(), [write("poison")])
    object.__setattr__(poison, "events", (poison.events[0].__class__(("too", "few"), "s", 1, "r", b"{}"),))
    answers = log._store.writer.write([good[0], poison, good[1]])
    assert [type(answer) for answer in answers] == [Outcome, LogWriteFailed, Outcome]
    append_many(log, 1)
    assert (log.head(), log.verify().problem) == (3, None)


def test_an_append_from_an_event_loop_has_the_same_answers(log):
    async def both():
        first = await log.append_async(envelope("command"), [write()])
        again = await log.append_async(envelope("command"), [write()])
        with pytest.raises(StreamConflict):
            await log.append_async(envelope(), [write()])
        return first.position, again.repeated

    assert asyncio.run(both()) == (1, True)


def test_listeners_hear_of_each_commit_until_they_leave_and_a_failing_one_harms_nobody(log):
    heard = []

    def fail(_):
        raise ValueError

    log.add_listener(fail)
    leave = log.add_listener(heard.append)
    append_many(log, 2)
    leave()
    log.append(envelope(), [write()])
    assert heard == [1, 2]
