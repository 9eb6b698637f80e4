"""The clock of the sandbox, which can be advanced: on a loop of its own, in real time."""

import asyncio
import socket
import time

import pytest

from proxy.runtime.clock import AdvanceableClock, monotonic

# Real seconds that an advance of any length may take on a busy machine.
MOMENT = 20.0


@pytest.fixture
def run():
    """Runs a coroutine of a clock on the loop of that clock."""

    def on_its_loop(work):
        clock = AdvanceableClock()
        with asyncio.Runner(loop_factory=clock.new_loop) as runner:
            return runner.run(work(clock))

    return on_its_loop


def test_both_clocks_advance_and_real_time_hardly_passes(run):
    async def work(clock):
        wall, mono, real = clock.wall(), monotonic(), time.monotonic()
        await clock.advance(86_400)
        assert time.monotonic() - real < MOMENT
        assert 86_400 <= monotonic() - mono < 86_400 + MOMENT
        assert 86_400 <= clock.wall() - wall < 86_400 + MOMENT

    run(work)


def test_timers_fire_in_their_order_and_those_that_they_start_too(run):
    async def work(clock):
        fired = []

        async def after(seconds, following=None):
            await asyncio.sleep(seconds)
            fired.append(seconds)
            if following:
                await after(following)

        tasks = [asyncio.create_task(after(*waits)) for waits in ((600, 300), (60,), (1200, 60))]
        await clock.advance(1250)
        assert fired == [60, 600, 300, 1200]
        tasks[2].cancel()

    run(work)


def test_work_on_a_connection_of_the_process_to_itself_is_not_cut_off(run):
    """Each of a hundred exchanges has a deadline that the advance passes by far."""

    async def work(clock):
        async def serve(reader, writer):
            while line := await reader.readline():
                writer.write(line)
            writer.close()
            await writer.wait_closed()
            ended.set()

        ended = asyncio.Event()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        done = 0

        async def exchange():
            nonlocal done
            for _ in range(100):
                async with asyncio.timeout(1):
                    writer.write(b"a line\n")
                    await reader.readline()
                done += 1

        task = asyncio.create_task(exchange())
        await clock.advance(86_400)
        assert done == 100
        await task
        writer.close()
        await writer.wait_closed()
        await ended.wait()
        server.close()

    run(work)


def test_a_thread_at_work_is_waited_for(run):
    async def work(clock):
        ours, theirs = socket.socketpair()

        async def read():
            async with asyncio.timeout(60):
                return await asyncio.get_running_loop().run_in_executor(None, theirs.recv, 1)

        task = asyncio.create_task(read())
        advance = asyncio.create_task(clock.advance(3600))
        before = monotonic()
        await asyncio.sleep(0.05)
        assert monotonic() - before < MOMENT and not advance.done()
        ours.send(b"x")
        assert await task == b"x"
        await advance
        ours.close()
        theirs.close()

    run(work)


def test_a_process_that_is_never_idle_does_not_stop_the_clock(run):
    async def work(clock):
        def asks_without_a_pause():
            asyncio.get_running_loop().call_soon(asks_without_a_pause)

        asks_without_a_pause()
        before, real = monotonic(), time.monotonic()
        await clock.advance(1)
        assert monotonic() - before >= 1 and time.monotonic() - real < MOMENT

    run(work)


def test_the_wall_clock_goes_back_to_the_real_time_and_the_monotonic_one_never(run):
    async def work(clock):
        await clock.advance(3600)
        mono = monotonic()
        clock.set_back()
        assert abs(clock.wall() - time.time()) < MOMENT and monotonic() >= mono
        await clock.advance(60)
        assert 60 <= clock.wall() - time.time() + MOMENT < 60 + 2 * MOMENT

    run(work)


def test_the_pauses_of_a_work_are_skipped_and_its_error_is_raised(run):
    async def work(clock):
        async def fails():
            await asyncio.sleep(3600)
            raise ValueError("after an hour")

        real = time.monotonic()
        with pytest.raises(ValueError, match="after an hour"):
            await clock.skip_pauses_of(fails())
        assert time.monotonic() - real < MOMENT
        before = monotonic()
        await asyncio.sleep(0.01)
        assert monotonic() - before < MOMENT

    run(work)
