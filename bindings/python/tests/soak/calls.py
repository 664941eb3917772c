"""Calls of the native half, of every kind: at once, through the runtime, failing, cancelled, encrypting, storing, sending."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from agentmesh import (
    AgentMeshClient,
    AgentMeshError,
    Identity,
    Key,
    MemoryStorage,
    Policy,
    PrekeyManager,
    SealedStore,
    SessionManager,
    SQLiteStorage,
    verify,
)
from agentmesh.testing import Urls

from .measure import Growth

ROUND = 11
"""Calls in one round, the messages not counted."""

EVERY = 100
"""So many rounds have one request with its answer."""

REMEMBERED = 1024
"""Bytes that a request with its answer may leave in the memory of the two agents: each holds the ids of the last 8,192 messages,
which in a million calls are not reached. :mod:`soak.requests` is about those that come after."""


async def run(calls: int, urls: Urls, home: Path) -> Growth:
    """Makes so many calls."""

    async def party(name: str) -> tuple[Identity, SessionManager, PrekeyManager]:
        identity = Identity.generate()
        store = SealedStore(MemoryStorage(), os.urandom(32))
        await store.save_identity(identity, name)
        prekeys = PrekeyManager(identity, store)
        return identity, SessionManager(prekeys), prekeys

    (alice, sending, ours), (bob, receiving, theirs) = await party("alice"), await party("bob")
    await ours.load_or_initialize()
    begun = await sending.initiate_session(bob.amid, await theirs.load_or_initialize(), bob.signing_key)
    session = await receiving.accept_session(alice.amid, begun.x3dh_message)
    policy, text = Policy.permissive(), {"text": "x" * 200}
    signature = alice.sign(b"hello")

    def agent(name: str) -> AgentMeshClient:
        # On a disk, so that what an agent remembers of its messages is not in the memory of this process.
        storage = SQLiteStorage(home / f"{name}.db")
        return AgentMeshClient(storage, key=Key.random(), policy=policy, **urls)

    growth = Growth()
    async with agent("asking") as asking, agent("answering") as answering:

        @answering.on_request
        async def answer(message: object) -> object:
            return {"answer": True}

        serving = asyncio.create_task(answering.serve())
        rounds = max(1, calls // ROUND)
        for done in range(rounds):
            if done % max(1, rounds // 100) == 0:
                growth.sample(done)
            assert verify(alice.signing_key, b"hello", signature)
            alice.sign(b"hello")
            policy.evaluate(bob.amid, "weather")
            asking.new_id()
            await asking.circuit_state()
            await asking.outbox()
            with suppress(AgentMeshError):
                policy.evaluate("nobody", "weather")
                raise AssertionError("nobody is no address")
            with suppress(AgentMeshError):
                await asking.lookup("nobody")
                raise AssertionError("nobody is no address")
            envelope = await sending.encrypt_message(session, text)
            assert await receiving.decrypt_message(session, envelope) == text
            waiting = asyncio.ensure_future(asking.messages().__anext__())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled()
            if done % EVERY == 0:
                await asking.request(answering.amid, text)
        growth.sample(rounds)
        serving.cancel()
        await asyncio.wait([serving])
    return growth
