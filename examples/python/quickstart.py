"""Two agents and a server, all in this process."""

import asyncio

from agentmesh import AgentMeshClient, Key, MemoryStorage, Message, Policy
from agentmesh.testing import Server


async def main() -> None:
    async with Server() as server:
        alice, bob = (
            AgentMeshClient(MemoryStorage(), key=Key.random(), policy=Policy.permissive(), **server.urls)
            for _ in range(2)
        )

        @bob.on_request
        async def answer(message: Message) -> object:
            return {"echo": message.payload}

        async with alice, bob:
            serving = asyncio.create_task(bob.serve())
            response = await alice.request(bob.amid, {"hello": "wörld"})
            print(response.payload)
            await bob.close()
            await serving


if __name__ == "__main__":
    asyncio.run(main())
