"""Loops, threads, processes: whatever a program does to them, nothing hangs and nothing is printed that should not be."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from agentmesh import AgentMeshClient, ClosedError, Event, Key, MemoryStorage, Policy, sync
from agentmesh.testing import Server
from conftest import Make

PREAMBLE = """
import asyncio, logging, os, sys, gc, threading, multiprocessing
from agentmesh import *
from agentmesh.testing import Server

# How long a step of the loop takes says how busy the machine is.
logging.getLogger("asyncio").addFilter(lambda record: record.msg != "Executing %s took %.3f seconds")

def client(**options):
    options.setdefault("policy", Policy.permissive())
    return AgentMeshClient(MemoryStorage(), key=Key.random(), **options)
"""


def run(script: str, *, timeout: float = 60, directory: Path | None = None) -> str:
    """Runs a program; it has to end well and say nothing on standard error."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", PREAMBLE + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=directory,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_one_client_on_several_loops_one_after_another(agentmesh_server: Server) -> None:
    client = AgentMeshClient(
        MemoryStorage(), key=Key.random(), policy=Policy.permissive(), **agentmesh_server.urls
    )
    asyncio.run(client.open())
    asyncio.run(client.connect())
    peer = AgentMeshClient(
        MemoryStorage(), key=Key.random(), policy=Policy.permissive(), **agentmesh_server.urls
    )

    async def talk() -> None:
        async with peer:
            await client.send(peer.amid, "x")
            assert (await peer.messages().__anext__()).payload == "x"

    asyncio.run(talk())
    asyncio.run(client.close())


def test_closing_the_loop_with_a_client_open_makes_no_noise_and_does_not_hang() -> None:
    out = run(
        """
        async def main():
            server = Server().start()
            c = client(**server.urls)
            await c.open()
            await c.connect()
            asyncio.create_task(c.serve())
            asyncio.create_task(c.events().__anext__())
            await asyncio.sleep(0.05)
            c._closed = True  # says that it is meant
        asyncio.run(main())
        print("ended")
        """
    )
    assert out == "ended\n"


def test_a_loop_that_is_closed_by_hand_gets_no_results() -> None:
    run(
        """
        loop = asyncio.new_event_loop()
        c = client(offline=True)
        loop.run_until_complete(c.open())
        async def begin():
            return asyncio.ensure_future(c.circuit_state())
        waiting = loop.run_until_complete(begin())
        waiting.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        asyncio.run(c.close())
        """
    )


def test_a_client_that_is_forgotten_warns() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", PREAMBLE + "asyncio.run(client(offline=True).open())"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert "ResourceWarning: unclosed client <AgentMeshClient" in done.stderr


def test_threads_with_loops_of_their_own(agentmesh_server: Server) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        async def talk() -> None:
            clients = [
                AgentMeshClient(
                    MemoryStorage(), key=Key.random(), policy=Policy.permissive(), **agentmesh_server.urls
                )
                for _ in range(2)
            ]
            async with clients[0] as alice, clients[1] as bob:
                for n in range(5):
                    await alice.send(bob.amid, n)
                messages = bob.messages()
                for n in range(5):
                    async with await messages.__anext__() as message:
                        assert message.payload == n

        try:
            asyncio.run(talk())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_one_client_in_several_threads(agentmesh_server: Server) -> None:
    settings: dict[str, Any] = {"policy": Policy.permissive(), **agentmesh_server.urls}
    with (
        sync.AgentMeshClient(MemoryStorage(), key=Key.random(), **settings) as alice,
        sync.AgentMeshClient(MemoryStorage(), key=Key.random(), **settings) as bob,
    ):

        def answer() -> None:
            for _, message in zip(range(20), bob.messages()):
                message.respond(message.payload)

        answering = threading.Thread(target=answer)
        answering.start()
        with ThreadPoolExecutor(4) as pool:
            answers = pool.map(lambda n: alice.request(bob.amid, n).payload, range(20))
            assert list(answers) == list(range(20))
        answering.join()


async def test_closing_ends_what_is_under_way(agentmesh_client: Make) -> None:
    async with agentmesh_client() as client, agentmesh_client() as peer:
        waiting = [
            asyncio.ensure_future(client.messages().__anext__()),
            asyncio.ensure_future(client.events().__anext__()),
            asyncio.ensure_future(client.request(peer.amid, "nobody answers", timeout=60)),
        ]
        # All three have begun.
        while not await peer.inbox():
            await asyncio.sleep(0.01)
        await asyncio.gather(client.close(), client.close())
        ended = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 20)
        assert all(isinstance(one, (StopAsyncIteration, ClosedError, Event)) for one in ended), ended
        assert isinstance(ended[2], ClosedError)


def test_the_lock_of_the_interpreter_is_released_while_the_core_works() -> None:
    from agentmesh import Identity

    counted = 0
    stop = threading.Event()

    def count() -> None:
        nonlocal counted
        while not stop.is_set():
            counted += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    thread.start()
    before = counted
    # Argon2, a tenth of a second each.
    text = Identity.generate().back_up("passphrase")
    Identity.restore(text, "passphrase")
    during = counted - before
    stop.set()
    thread.join()
    assert during > 10


def test_a_child_of_fork_opens_clients_of_its_own_and_cannot_use_the_parents() -> None:
    out = run(
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forking with threads
        server = Server().start()
        async def talk(c):
            async with c as alice, client(**server.urls) as bob:
                await alice.send(bob.amid, "x")
                assert (await bob.messages().__anext__()).payload == "x"
        parent = client(**server.urls)
        asyncio.run(parent.open())
        asyncio.run(talk(client(**server.urls)))
        pid = os.fork()
        if pid == 0:
            try:
                try:
                    parent.amid
                except InvalidInputError as error:
                    assert error.code == ErrorCode.BINDING_FORKED
                else:
                    raise AssertionError("the parent's client works in the child")
                asyncio.run(talk(client(**server.urls)))
                parent._closed = True
                del parent
                gc.collect()
                os._exit(0)
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        asyncio.run(talk(parent))
        server.stop()
        print("both")
        """
    )
    assert out == "both\n"


def test_a_child_of_fork_has_the_log_of_its_core() -> None:
    out = run(
        """
        import time, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        names = []
        class Keep(logging.Handler):
            def emit(self, record):
                names.append(record.name)
        logging.getLogger("agentmesh").addHandler(Keep())
        logging.getLogger("agentmesh").setLevel(5)
        logging.getLogger("agentmesh").propagate = False
        async def open_one():
            nowhere = client(registry_url="http://127.0.0.1:1", relay_url="ws://127.0.0.1:1", connect_timeout=1)
            try:
                async with nowhere:
                    pass
            except AgentMeshError:
                pass
        def heard():
            names.clear()
            asyncio.run(open_one())
            for _ in range(3000):
                if names:
                    return True
                time.sleep(0.01)
            return False
        assert heard()
        pid = os.fork()
        if pid == 0:
            os._exit(0 if heard() else 1)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert heard()
        print("all")
        """
    )
    assert out == "all\n"


def test_multiprocessing_with_every_method(tmp_path: Path) -> None:
    script = tmp_path / "pool.py"
    script.write_text(
        textwrap.dedent(
            """
            import asyncio, multiprocessing, sys, warnings
            from agentmesh import AgentMeshClient, Identity, Key, MemoryStorage
            warnings.simplefilter("ignore", DeprecationWarning)

            async def amid():
                async with AgentMeshClient(MemoryStorage(), key=Key.random(), offline=True) as client:
                    return client.amid

            def work(n):
                return asyncio.run(amid())

            if __name__ == "__main__":
                asyncio.run(amid())
                for method in ("spawn", "forkserver", "fork"):
                    with multiprocessing.get_context(method).Pool(2) as pool:
                        assert len(set(pool.map(work, range(3)))) == 3
                    print(method)
            """
        )
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=90)
    assert (done.returncode, done.stdout.split()) == (0, ["spawn", "forkserver", "fork"]), done.stderr


def interrupts(script: str) -> None:
    # A shell's background job, as some runners start tests, has this signal ignored, and so would have the script.
    heeded = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    with subprocess.Popen([sys.executable, "-c", heeded + script], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, out) == (0, "interrupted\n")


def test_ctrl_c_ends_promptly(tmp_path: Path) -> None:
    script = PREAMBLE + textwrap.dedent(
        """
        async def main():
            async with Server() as server, client(**server.urls) as c:
                print("ready", flush=True)
                async for message in c.messages():
                    pass
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    interrupts(script)


def test_ctrl_c_ends_the_synchronous_api_too() -> None:
    script = PREAMBLE + textwrap.dedent(
        """
        from agentmesh import sync
        server = Server().start()
        with sync.AgentMeshClient(MemoryStorage(), key=Key.random(), **server.urls) as c:
            try:
                print("ready", flush=True)
                for message in c.messages():
                    pass
            except KeyboardInterrupt:
                print("interrupted")
        """
    )
    interrupts(script)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such timer on Windows")
def test_the_synchronous_api_may_be_interrupted_at_any_moment() -> None:
    run(
        """
        import random, signal
        from agentmesh._sync_loop import run
        # What interrupts the interpreter in a destructor is reported there, and nothing of ours.
        sys.unraisablehook = (
            lambda what: None if what.exc_type is KeyboardInterrupt else sys.__unraisablehook__(what)
        )
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        chance, interrupted, under_way = random.Random(5), 0, 0
        async def short():
            global under_way
            under_way += 1
            try:
                await asyncio.sleep(chance.random() / 5000)
                return "done"
            finally:
                under_way -= 1
        assert run(short) == "done"
        for _ in range(3000):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.00001 + chance.random() / 3000)
                assert run(short) == "done"
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
        assert run(short) == "done"
        assert (under_way, interrupted > 100) == (0, True), (under_way, interrupted)
        """
    )


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows")
def test_under_uvloop() -> None:
    run(
        """
        import uvloop
        async def main():
            async with Server() as server, client(**server.urls) as alice, client(**server.urls) as bob:
                @bob.on_request
                def answer(message):
                    return message.payload * 2
                serving = asyncio.create_task(bob.serve())
                for n in range(20):
                    assert (await alice.request(bob.amid, n)).payload == n * 2
                serving.cancel()
                await asyncio.wait([serving])
        loop = uvloop.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        """
    )


def test_under_anyio_and_its_cancellation() -> None:
    run(
        """
        import anyio
        async def main():
            async with Server() as server, client(**server.urls) as alice, client(**server.urls) as bob:
                with anyio.move_on_after(0.05) as scope:
                    await bob.messages().__anext__()
                assert scope.cancelled_caught
                bob.on_message(lambda message: None)
                async with anyio.create_task_group() as group:
                    group.start_soon(bob.serve)
                    await alice.send(bob.amid, "x")
                    group.cancel_scope.cancel()
        anyio.run(main, backend="asyncio")
        """
    )


async def test_a_thousand_cancelled_calls_leave_nothing(agentmesh_client: Make) -> None:
    async with agentmesh_client() as client:
        for _ in range(1000):
            call = asyncio.ensure_future(client.messages().__anext__())
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        # Works as before.
        assert (await client.circuit_state()).blocked == {}
        assert len(asyncio.all_tasks()) <= 3


async def test_cancelled_connects_leave_no_socket_and_no_thread(agentmesh_server: Server) -> None:
    def sockets() -> int:
        return sum("socket" in os.readlink(f"/proc/self/fd/{fd}") for fd in _descriptors())

    before_threads = None
    before = sockets()
    for turn in range(30):
        client = AgentMeshClient(MemoryStorage(), key=Key.random(), **agentmesh_server.urls)
        await client.open()
        connecting = asyncio.ensure_future(client.connect())
        await asyncio.sleep(0.001 * (turn % 5))
        connecting.cancel()
        await asyncio.wait([connecting])
        await client.close()
        if turn == 5:
            before_threads = threading.active_count(), len(os.listdir("/proc/self/task"))
    for _ in range(200):
        if sockets() <= before + 2:
            break
        await asyncio.sleep(0.05)
    assert sockets() <= before + 2
    assert before_threads is not None
    assert len(os.listdir("/proc/self/task")) <= before_threads[1] + 4


def _descriptors() -> list[str]:
    return [fd for fd in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{fd}")]
