"""An agent that answers prompts token by token, and one that reads them as they come.

The model is an echo, so that the example needs nothing else; put yours into ``tokens``. Who asks without wanting a stream gets
the whole text at once.
"""

import asyncio
from collections.abc import AsyncIterator

from agentmesh import AgentMeshClient, Failure, Key, MemoryStorage, Message, Policy
from agentmesh.testing import Server


async def tokens(prompt: str) -> AsyncIterator[str]:
    """A model's answer; this one says what it heard."""
    for word in ["You", "said:", *prompt.split()]:
        await asyncio.sleep(0)
        yield word + " "


async def main() -> None:
    async with Server() as server:
        user, model = (
            AgentMeshClient(
                MemoryStorage(),
                key=Key.random(),
                policy=Policy.permissive(),
                # The server of tests limits nothing, so that every token may have a frame of its own.
                relay_messages_per_minute=0,
                **server.urls,
            )
            for _ in range(2)
        )

        @model.on_request
        async def complete(message: Message) -> AsyncIterator[str]:
            prompt = message.payload.get("prompt")
            if not isinstance(prompt, str):
                raise Failure("NO_PROMPT", "the request has no prompt")
            async for token in tokens(prompt):
                yield token

        async with user, model:
            serving = asyncio.create_task(model.serve())
            async with await user.stream(model.amid, {"prompt": "hello world"}) as answer:
                async for chunk in answer:
                    print(chunk.text, end="", flush=True)
            print()
            whole = await user.request(model.amid, {"prompt": "all at once"})
            print(whole.payload)
            serving.cancel()
            await asyncio.wait([serving])


if __name__ == "__main__":
    asyncio.run(main())
