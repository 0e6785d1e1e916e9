"""Writes for an event loop: who goes with whom, and what becomes of them when the server fails or falls silent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from restock.batches import LoopBatches, Wire
from restock.batches.looping import MOST_WAITING

LONG = 60.0


class Server:
    """Stands where libpq and the server stand; it answers when told to."""

    def __init__(self) -> None:
        self.here, self.there = socket.socketpair()
        self.here.setblocking(False)
        self.sent: list[list[str]] = []
        self.alone: list[str] = []
        self.fault: Exception | None = None
        self.connections, self.refuses = 0, False
        self.results: list[Any] = []

    def connect(self) -> Any:
        self.connections += 1
        if self.refuses:
            raise psycopg.OperationalError("away")
        wire = SimpleNamespace(
            nonblocking=0,
            flush=lambda: 0,
            consume_input=self._consume,
            is_busy=lambda: not self.results,
            get_result=lambda: self.results.pop(0),
        )
        return SimpleNamespace(pgconn=wire, fileno=self.here.fileno, close=lambda: None)

    def _consume(self) -> None:
        if self.here.recv(1) == b"x":
            raise psycopg.OperationalError("the connection to the database was lost")
        self.results += [object(), None]

    def answer(self) -> None:
        self.there.send(b".")

    def hang_up(self) -> None:
        self.there.send(b"x")

    def send(self, _connection: Any, items: Sequence[str]) -> None:
        if any(item.startswith("unsendable") for item in items):
            raise UnicodeEncodeError("utf-8", items[0], 0, 1, "surrogates not allowed")
        self.sent.append(list(items))

    def receive(self, _result: Any, items: Sequence[str]) -> list[str | None]:
        if self.fault is not None:
            raise self.fault
        return [None if item.startswith("odd") else f"{item} together" for item in items]

    def write_one(self, item: str) -> str:
        self.alone.append(item)
        if item.startswith("bad"):
            raise ValueError(item)
        return f"{item} alone"


Story = Callable[[Server, "LoopBatches[str, str]"], Coroutine[Any, Any, None]]


def play(story: Story, server: Server | None = None, patience_seconds: float = LONG) -> Server:
    """Tell a story on a loop, with batches that are attached to it."""
    server = server or Server()

    async def tell() -> None:
        wire: Wire[str, str] = Wire(lambda _connection: None, server.send, server.receive)
        batches: LoopBatches[str, str] = LoopBatches(
            server.connect, wire, server.write_one, patience_seconds=patience_seconds
        )
        with ThreadPoolExecutor(2) as threads:
            batches.attach(asyncio.get_running_loop(), threads)
            await until(lambda: batches.is_ready or server.refuses)
            await asyncio.wait_for(story(server, batches), LONG)
            batches.close()

    with server.here, server.there:
        run(tell())
    return server


def run(story: Coroutine[Any, Any, None]) -> None:
    """Run on a loop of its own, in a thread of its own: a test's may have one, when a browser was driven before it."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, story).result()


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 (what is waited for tells nobody)
        await asyncio.sleep(0.005)


def test_those_of_one_round_go_together_and_those_who_come_meanwhile_go_next() -> None:
    async def story(server: Server, batches: LoopBatches[str, str]) -> None:
        first = [batches.write(item, {item}) for item in ("a", "b")]
        await until(lambda: len(server.sent) == 1)
        later = [batches.write(item, {item}) for item in ("c", "d")]
        await asyncio.sleep(0.02)
        assert server.sent == [["a", "b"]]
        server.answer()
        assert await asyncio.gather(*first) == ["a together", "b together"]
        await until(lambda: len(server.sent) == 2)
        server.answer()
        assert await asyncio.gather(*later) == ["c together", "d together"]

    assert play(story).sent == [["a", "b"], ["c", "d"]]


def test_two_that_share_a_key_are_never_in_one_batch() -> None:
    async def story(server: Server, batches: LoopBatches[str, str]) -> None:
        written = [batches.write(item, {item[0], "a"} if item == "b1" else {item[0]}) for item in ("a1", "b1", "c1")]
        for count in (1, 2):
            await until(lambda count=count: len(server.sent) == count)  # type: ignore[misc]
            server.answer()
        await asyncio.gather(*written)

    assert play(story).sent == [["a1", "c1"], ["b1"]]


def test_what_cannot_go_with_others_is_done_alone() -> None:
    async def story(server: Server, batches: LoopBatches[str, str]) -> None:
        written = [batches.write(item, {item}) for item in ("a", "odd")]
        await until(lambda: len(server.sent) == 1)
        server.answer()
        assert await asyncio.gather(*written) == ["a together", "odd alone"]

    play(story)


def test_a_batch_that_fails_is_taken_apart_and_each_told_its_own() -> None:
    async def story(server: Server, batches: LoopBatches[str, str]) -> None:
        server.fault = psycopg.errors.LockNotAvailable("busy")
        written = [batches.write(item, {item}) for item in ("a", "bad", "c")]
        await until(lambda: len(server.sent) == 1)
        server.answer()
        told = await asyncio.gather(*written, return_exceptions=True)
        assert [str(one) for one in told] == ["a alone", "bad", "c alone"]
        assert isinstance(told[1], ValueError)
        assert batches.is_ready

    play(story)


@pytest.mark.parametrize("how", ["hangs up", "says nothing"])
def test_a_server_that_is_gone_strands_nobody(how: str) -> None:
    async def story(server: Server, batches: LoopBatches[str, str]) -> None:
        flying = batches.write("a", {"a"})
        await until(lambda: len(server.sent) == 1)
        waiting = batches.write("b", {"b"})
        if how == "hangs up":
            server.hang_up()
        assert list(await asyncio.gather(flying, waiting)) == ["a alone", "b alone"]
        assert not batches.is_ready  # until the next connection is there
        await until(lambda: batches.is_ready)

    assert play(story, patience_seconds=LONG if how == "hangs up" else 0.1).connections == 2


@pytest.mark.parametrize("fault", ["sent", "read"])
def test_a_fault_of_our_own_leaves_nobody_without_an_answer(fault: str) -> None:
    async def story(server: Server, batches: LoopBatches[str, str]) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, said: told.append(said["exception"]))
        if fault == "read":
            server.fault = ValueError("not a number")
        written = [batches.write(item, {item}) for item in ("a", "unsendable" if fault == "sent" else "b")]
        if fault == "read":
            await until(lambda: len(server.sent) == 1)
            server.answer()
        assert [one[-5:] for one in await asyncio.gather(*written)] == ["alone", "alone"]
        await until(lambda: batches.is_ready)

    told: list[Exception] = []
    play(story)
    assert [isinstance(one, ValueError) for one in told] == [True]


def test_who_was_written_is_told_so_even_where_the_next_cannot_be_sent() -> None:
    async def story(server: Server, batches: LoopBatches[str, str]) -> None:
        told: list[Exception] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, said: told.append(said["exception"]))
        written = batches.write("a", {"a"})
        await until(lambda: len(server.sent) == 1)
        unsendable = batches.write("unsendable", {"unsendable"})
        await asyncio.sleep(0.02)
        server.answer()
        assert await written == "a together"
        assert await unsendable == "unsendable alone"
        assert [isinstance(one, ValueError) for one in told] == [True]

    play(story)


def test_a_server_that_refuses_is_asked_again_in_a_while_and_not_at_once() -> None:
    server = Server()
    server.refuses = True

    async def story(server: Server, batches: LoopBatches[str, str]) -> None:
        await until(lambda: server.connections == 1)
        for _ in range(20):
            assert not batches.is_ready
            await asyncio.sleep(0.005)
        assert server.connections == 1
        server.refuses = False
        await until(lambda: batches.is_ready)

    assert play(story, server).connections == 2


def test_with_two_lanes_the_next_batch_need_not_wait_for_the_one_before() -> None:
    first, second = Server(), Server()
    second.sent = first.sent

    async def tell() -> None:
        connections = iter((first.connect(), second.connect()))
        wire: Wire[str, str] = Wire(lambda _connection: None, first.send, first.receive)
        batches: LoopBatches[str, str] = LoopBatches(lambda: next(connections), wire, first.write_one, lanes=2)
        with ThreadPoolExecutor(1) as threads:
            batches.attach(asyncio.get_running_loop(), threads)
            await until(lambda: all(lane.is_free for lane in batches._lanes))
            early = batches.write("a", {"a"})
            await until(lambda: len(first.sent) == 1)
            late = batches.write("b", {"b"})
            await until(lambda: len(first.sent) == 2)
            second.answer()
            assert await late == "b together"
            assert not early.done()
            first.answer()
            assert await early == "a together"
            batches.close()

    with first.here, first.there, second.here, second.there:
        run(tell())


def test_a_batch_leaves_as_soon_as_enough_wait_and_the_rest_at_the_end_of_the_round() -> None:
    server = Server()

    async def tell() -> None:
        wire: Wire[str, str] = Wire(lambda _connection: None, server.send, server.receive)
        batches: LoopBatches[str, str] = LoopBatches(server.connect, wire, server.write_one, enough=2)
        with ThreadPoolExecutor(1) as threads:
            batches.attach(asyncio.get_running_loop(), threads)
            await until(lambda: batches.is_ready)
            written = [batches.write(item, {item}) for item in ("a", "b", "c")]
            assert server.sent == [["a", "b"]]  # before the loop had its next turn
            for count in (1, 2):
                await until(lambda count=count: len(server.sent) == count)  # type: ignore[misc]
                server.answer()
            assert await asyncio.gather(*written) == ["a together", "b together", "c together"]
            assert server.sent == [["a", "b"], ["c"]]
            batches.close()

    with server.here, server.there:
        run(tell())


def test_when_too_many_wait_it_is_not_ready() -> None:
    async def story(server: Server, batches: LoopBatches[str, str]) -> None:
        written = [batches.write("first", {"first"})]
        await until(lambda: len(server.sent) == 1)
        written += [batches.write(f"{number}", {number}) for number in range(MOST_WAITING)]
        assert not batches.is_ready
        server.hang_up()
        assert len(await asyncio.gather(*written)) == MOST_WAITING + 1

    play(story)
