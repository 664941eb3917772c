"""What the package costs beside Rust, and beside others of its kind: ``scripts/bench-python.sh`` builds and installs what it needs.

    python bench.py CALLS RESULTS [--rounds N] [--quick]

CALLS is the bench ``calls`` of the facade, which does the same work in Rust. Each round measures everything, one after the
other; RESULTS is for ``bench_report``: group → contender → one value a round. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agentmesh import (
    AgentMeshClient,
    ClosedError,
    Identity,
    Key,
    MemoryStorage,
    Message,
    Policy,
    PrekeyManager,
    SealedStore,
    SessionManager,
    verify,
)
from agentmesh.testing import Urls

sys.path.insert(0, str(Path(__file__).parent / "tests"))
from soak.server import server  # noqa: E402

VERIFY, ASK = "verify a signature, µs", "ask the agent, µs"
ENCRYPT, DECRYPT = "encrypt 1 KiB, µs", "decrypt 1 KiB, µs"
REQUESTS = "1,000 requests at once, ms"
MESSAGE = bytes([7]) * 1024
PICKLE_KEY = bytes(32)

Add = Callable[[str, str, float], None]


def each(count: int, start: float) -> float:
    return (time.perf_counter() - start) * 1e6 / count


def signatures(count: int, add: Add) -> None:
    identity = Identity.generate()
    key, signature = identity.signing_key, identity.sign(b"hello")
    start = time.perf_counter()
    for _ in range(count):
        verify(key, b"hello", signature)
    add(VERIFY, "python", each(count, start))


async def waiting(count: int, add: Add) -> None:
    async with AgentMeshClient(MemoryStorage(), key=Key.random(), offline=True) as client:
        start = time.perf_counter()
        for _ in range(count):
            await client.circuit_state()
        add(ASK, "python", each(count, start))


async def sessions(count: int, add: Add) -> None:
    async def party() -> tuple[Identity, PrekeyManager, SessionManager]:
        store = SealedStore(MemoryStorage(), os.urandom(32))
        identity = await store.load_or_generate_identity("identity")
        prekeys = PrekeyManager(identity, store)
        return identity, prekeys, SessionManager(prekeys)

    (alice, ours, sending), (bob, theirs, receiving) = await party(), await party()
    await ours.load_or_initialize()
    bundle = await theirs.load_or_initialize()
    begun = await sending.initiate_session(bob.amid, bundle, bob.signing_key)
    session = await receiving.accept_session(alice.amid, begun.x3dh_message)
    start = time.perf_counter()
    envelopes = [await sending.encrypt_message(session, MESSAGE) for _ in range(count)]
    add(ENCRYPT, "python", each(count, start))
    start = time.perf_counter()
    for envelope in envelopes:
        await receiving.open_envelope(session, envelope)
    add(DECRYPT, "python", each(count, start))


def vodozemac(count: int, add: Add) -> None:
    """Both alone, and with the session written after each message, as ours is."""
    with suppress(ImportError):
        from vodozemac import Account

        alice, bob = Account(), Account()
        bob.generate_one_time_keys(1)
        (key,) = bob.one_time_keys.values()
        sending = alice.create_outbound_session(bob.curve25519_key, key)
        first = sending.encrypt(b"").to_pre_key()
        receiving, _ = bob.create_inbound_session(alice.curve25519_key, first)
        # Answered, its messages no longer carry the handshake.
        sending.decrypt(receiving.encrypt(b""))
        start = time.perf_counter()
        messages = [sending.encrypt(MESSAGE) for _ in range(count)]
        add(ENCRYPT, "vodozemac", each(count, start))
        start = time.perf_counter()
        for message in messages:
            receiving.decrypt(message)
        add(DECRYPT, "vodozemac", each(count, start))
        start, written = time.perf_counter(), []
        for _ in range(count):
            written.append(sending.encrypt(MESSAGE))
            sending.pickle(PICKLE_KEY)
        add(ENCRYPT, "vodozemac, written", each(count, start))
        start = time.perf_counter()
        for message in written:
            receiving.decrypt(message)
            receiving.pickle(PICKLE_KEY)
        add(DECRYPT, "vodozemac, written", each(count, start))


def olm(count: int, add: Add) -> None:
    with suppress(ImportError):
        from olm import Account, InboundSession, OutboundSession

        alice, bob = Account(), Account()
        bob.generate_one_time_keys(1)
        (key,) = bob.one_time_keys["curve25519"].values()
        sending = OutboundSession(alice, bob.identity_keys["curve25519"], key)
        receiving = InboundSession(bob, sending.encrypt("hello"))
        receiving.decrypt(sending.encrypt("hello"))
        sending.decrypt(receiving.encrypt("hello"))
        # It takes text, and this is as many bytes of it.
        text = "x" * len(MESSAGE)
        start = time.perf_counter()
        messages = [sending.encrypt(text) for _ in range(count)]
        add(ENCRYPT, "python-olm", each(count, start))
        start = time.perf_counter()
        for message in messages:
            receiving.decrypt(message)
        add(DECRYPT, "python-olm", each(count, start))


async def at_once(urls: Urls, count: int, add: Add) -> None:
    """As the bench in Rust: the agents in this process, the relay in another one."""
    alice, bob = (
        AgentMeshClient(MemoryStorage(), key=Key.random(), policy=Policy.permissive(), **urls)
        for _ in range(2)
    )
    tasks: set[asyncio.Task[Any]] = set()

    async def serve() -> None:
        async for message in bob.messages():
            task = asyncio.create_task(respond(message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def respond(message: Message) -> None:
        # The last ones may hear that their client was closed: their answers are on their way.
        with suppress(ClosedError):
            await message.respond({"n": 1})

    async with alice, bob:
        serving = asyncio.create_task(serve())

        def ask() -> Awaitable[Message]:
            return alice.request(bob.amid, {"n": 1}, timeout=120)

        for _ in range(10):
            await ask()
        start = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(count)))
        add(REQUESTS, "python", (time.perf_counter() - start) * 1e3)
        await bob.close()
        await serving
        await asyncio.gather(*tasks, return_exceptions=True)


def rust(program: str, urls: Urls, quick: bool, add: Add) -> None:
    command = [program, *([] if quick else ["--bench"]), urls["registry_url"], urls["relay_url"]]
    for line in subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        found = json.loads(line)
        add(found["group"], "rust", found["value"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("calls")
    parser.add_argument("results", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="everything once, to see that it runs")
    arguments = parser.parse_args()
    results: dict[str, dict[str, list[float]]] = {}

    def add(group: str, contender: str, value: float) -> None:
        results.setdefault(f"python: {group}", {}).setdefault(contender, []).append(value)

    count = 10 if arguments.quick else 20_000
    with TemporaryDirectory() as home, server(Path(home)) as (urls, _):
        for round in range(1 if arguments.quick else arguments.rounds):
            print(f"round {round + 1}", flush=True)
            rust(arguments.calls, urls, arguments.quick, add)
            signatures(count // 10, add)
            asyncio.run(waiting(count, add))
            asyncio.run(sessions(count, add))
            vodozemac(count, add)
            olm(count, add)
            asyncio.run(at_once(urls, 10 if arguments.quick else 1000, add))
    for group, contenders in results.items():
        for contender, values in contenders.items():
            print(f"{group:<40} {contender:<12} median {statistics.median(values):>10.2f}")
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    arguments.results.write_text(json.dumps(results, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
